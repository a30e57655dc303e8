import { SwitchPort, type Member, type SwitchTrunk } from '../../../../src/emulator/network/switch-port.ts';
import type { FrameLink } from '../../../../src/emulator/network/frame-link.ts';
import { NO_OFFLOAD, type FrameOffload } from '../../../../src/emulator/interfaces/network.ts';
import { testCable } from '../../../support/test-cable.ts';

/** Machines on one switch, without processes between them. */
export class SwitchRig {
  readonly ports: SwitchPort[] = [];
  readonly adapters: FrameLink[] = [];
  /** Who sent to whom. */
  readonly sent: { readonly from: Member; readonly to: Member | undefined }[] = [];
  #tasks: (() => void)[] = [];

  constructor(machines: number, hasGateway: boolean) {
    for (let index = 0; index < machines; index++) {
      const { adapter, network } = testCable();
      const trunk: SwitchTrunk = { send: (to, frame, offload) => { this.#pass(String(index), to, frame, offload); } };
      this.adapters.push(adapter);
      this.ports.push(new SwitchPort({ cable: network, trunk, hasGateway, later: (task) => { this.#tasks.push(task); } }));
    }
  }

  send(machine: number, frame: readonly number[] | Uint8Array, offload: FrameOffload = NO_OFFLOAD): void {
    this.adapters[machine]!.reserve(frame.length)!.set(frame);
    this.adapters[machine]!.commit(offload);
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) task();
  }

  received(machine: number): { bytes: Uint8Array; offload: FrameOffload }[] {
    const seen = [];
    for (let frame = this.adapters[machine]!.peek(); frame !== undefined; frame = this.adapters[machine]!.peek()) {
      seen.push({ bytes: frame.bytes.slice(), offload: frame.offload });
      this.adapters[machine]!.consume();
    }
    return seen;
  }

  #pass(from: Member, to: Member | undefined, frame: Uint8Array, offload: FrameOffload): void {
    this.sent.push({ from, to });
    this.ports.forEach((port, index) => {
      if (String(index) !== from && (to === undefined || to === String(index))) port.receive(from, frame.slice(), offload);
    });
  }
}
