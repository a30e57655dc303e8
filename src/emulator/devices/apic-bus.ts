/** The wires between the APICs: which local APICs a message reaches (SDM 3A §11.6.2). Holds no state. */
import type { ApicMessage, ApicShorthand } from './apic-message.ts';

export interface ApicBusMember {
  /** Whether a message to this destination means this APIC. */
  accepts(destination: number, logical: boolean): boolean;
  receive(message: ApicMessage): void;
  /** What lowest-priority delivery compares: the processor priority. */
  readonly processorPriority: number;
}

export class ApicBus {
  readonly #members: ApicBusMember[] = [];

  attach(member: ApicBusMember): void {
    this.#members.push(member);
  }

  /** A message of the I/O APIC's or an MSI, or, with `from`, an interprocessor interrupt. */
  send(message: ApicMessage, shorthand: ApicShorthand = 'none', from?: ApicBusMember): void {
    const reached = this.#members.filter((member) => {
      if (shorthand === 'none') return member.accepts(message.destination, message.logical);
      return shorthand === 'all' || (member === from) === (shorthand === 'self');
    });
    if (message.deliveryMode !== 'lowest-priority') {
      for (const member of reached) member.receive(message);
      return;
    }
    let chosen = reached[0];
    for (const member of reached) if (chosen !== undefined && member.processorPriority < chosen.processorPriority) chosen = member;
    chosen?.receive(message);
  }
}
