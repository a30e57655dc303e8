import type { AccessWidth, IoHandler } from './bus.ts';
import type { InterruptLine } from './interrupt-line.ts';

/**
 * What a card tells the PCI bus about itself. The bus keeps the 256 bytes of configuration space, sizes and maps the
 * base address registers, and routes INTx; a card gives data and handlers and never sees an address.
 * PCI Local Bus Specification 3.0, chapter 6.
 */
export interface PciFunction {
  readonly id: string;
  readonly vendorId: number;
  readonly deviceId: number;
  readonly revision: number;
  /** 24 bits: base class, subclass, programming interface. */
  readonly classCode: number;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  /** 0 = none, 1 = INTA# … 4 = INTD#. */
  readonly interruptPin: 0 | 1 | 2 | 3 | 4;
  /** By BAR number, 0 to 5. */
  readonly bars: readonly (PciBar | undefined)[];
  /** Capability structures in order, without the next pointer (byte 1), which the bus fills in. */
  readonly capabilities: readonly PciCapability[];
  /** A function that others share a slot with sets this on function 0. */
  readonly multifunction?: boolean;
  /** Expansion ROM image: bytes of the shared memory, a power of two long. */
  readonly expansionRom?: { readonly memoryOffset: number; readonly length: number };
  /** Vendor-specific registers outside the standard header (64 and up), kept by the card. */
  readConfig?(offset: number, width: AccessWidth): number | undefined;
  writeConfig?(offset: number, width: AccessWidth, value: number): boolean;
  /** Told whenever the command register changes. */
  commandChanged?(command: { io: boolean; memory: boolean; busMaster: boolean; interruptDisable: boolean }): void;
  /** Called once by the bus when the card is plugged in: its INTx wire. */
  connectInterrupt?(line: InterruptLine): void;
}

export type PciBar =
  | { readonly kind: 'io'; readonly length: number; readonly handler: IoHandler; readonly fixedBase?: number }
  | { readonly kind: 'memory'; readonly length: number; readonly prefetchable: boolean; readonly handler: IoHandler }
  | { readonly kind: 'direct'; readonly length: number; readonly prefetchable: boolean; readonly memoryOffset: number };

export interface PciCapability {
  /** The structure, byte 0 = capability id, byte 1 ignored. */
  readonly bytes: Uint8Array;
  /** Same length: bits the guest may write. */
  readonly writable?: Uint8Array;
  /** Called after a guest write, with the structure as it now is. */
  written?(bytes: Uint8Array, offset: number, width: AccessWidth): void;
  /** Called before a guest read, to refresh the bytes. */
  reading?(bytes: Uint8Array, offset: number, width: AccessWidth): void;
}
