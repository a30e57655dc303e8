/** What changes while the machine is on, from the control thread's side: one change after the other. */
import type { MachineError } from '../../shared/result.ts';
import type { VmChange } from '../../shared/vm-protocol.ts';
import { DiskService } from './disk-service.ts';
import type { NetworkService } from './network-service.ts';
import { openDisk } from './open-disk.ts';
import type { MailboxSender } from './port-mailbox.ts';
import { StartError } from './start-error.ts';

export interface LiveMachine {
  readonly shared: Uint8Array;
  readonly mailbox: MailboxSender;
  /** By their numbers in letters and posts. A disc that is put in gets the next. */
  readonly disks: (DiskService | undefined)[];
  readonly networks: readonly NetworkService[];
}

export class LiveChanges {
  readonly #machine: LiveMachine;
  /** By what the machine thread is asked with. */
  readonly #waitingForDrive = new Map<number, (isHeld: boolean) => void>();
  /** The disk that is in a drive now, by the drive's number at the start. */
  readonly #inDrive = new Map<number, number>();
  #last: Promise<unknown> = Promise.resolve();
  #nextRequestId = 1;

  constructor(machine: LiveMachine) {
    this.#machine = machine;
  }

  /** Resolves with what went wrong, or with nothing. */
  make(change: VmChange): Promise<MachineError | undefined> {
    const made = this.#last.then(() => this.#make(change)).then(() => undefined, describe);
    this.#last = made;
    return made;
  }

  /** The machine thread has moved a disc, or not. */
  discChanged(requestId: number, isHeld: boolean): void {
    this.#waitingForDrive.get(requestId)?.(isHeld);
    this.#waitingForDrive.delete(requestId);
  }

  async #make(change: VmChange): Promise<void> {
    const { mailbox, networks, disks } = this.#machine;
    switch (change.kind) {
      case 'disc':
        await this.#changeDisc(change);
        return;
      case 'adapter': {
        const network = networks[change.adapter];
        if (network === undefined) throw new StartError('machines.no-such-part', `the machine has no network adapter ${change.adapter + 1}`, 'stop and start it: then it has it');
        await network.change(change.settings);
        mailbox.post({ kind: 'cable', adapter: change.adapter, connected: change.settings.connected ?? true });
        return;
      }
      case 'disk-limit':
        disks[this.#inDrive.get(change.disk) ?? change.disk]?.limit(change.bytesPerSecondMaximum);
        return;
      case 'cpu-limit':
        mailbox.post({ kind: 'cpu-limit', percent: change.percent });
        return;
    }
  }

  async #changeDisc({ drive, path, force }: Extract<VmChange, { kind: 'disc' }>): Promise<void> {
    const { disks, mailbox, shared } = this.#machine;
    const image = path === undefined ? undefined : await openDisk({ path, format: 'iso', bus: 'ide', kind: 'cdrom', readOnly: true, discardChanges: false, backingFolders: [] });
    const disk = disks.length;
    disks.push(image === undefined ? undefined : new DiskService(image, shared));
    const requestId = this.#nextRequestId++;
    const isHeld = await new Promise<boolean>((resolve) => {
      this.#waitingForDrive.set(requestId, resolve);
      mailbox.post({ kind: 'disc', requestId, drive, force, disc: image === undefined ? undefined : { disk, sectorCount: image.sectorCount } });
    });
    // The one that is out now.
    await disks[isHeld ? disk : this.#inDrive.get(drive) ?? drive]?.close();
    if (isHeld) throw new StartError('media.held', 'the guest holds its disc', 'eject it in the guest, or take it out by force');
    this.#inDrive.set(drive, disk);
  }
}

function describe(error: unknown): MachineError {
  if (error instanceof StartError) return { code: error.code, message: error.message, advice: error.advice };
  return { code: 'media.unreadable', message: error instanceof Error ? error.message : String(error), advice: 'check the path and the disk it is on' };
}
