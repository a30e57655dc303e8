/** What travels between I/O APIC, MSIs and local APICs (SDM 3A §11.6, §11.11). */
export interface ApicMessage {
  /** 0 to 255; the page number of a start-up message. */
  readonly vector: number;
  readonly deliveryMode: ApicDeliveryMode;
  /** 8 bits: an APIC id, or a logical destination. */
  readonly destination: number;
  readonly logical: boolean;
  readonly trigger: 'edge' | 'level';
}

/** By their encoding in ICR, LVT and redirection entries; 'reserved' delivers nothing. */
export const APIC_DELIVERY_MODES = ['fixed', 'lowest-priority', 'smi', 'reserved', 'nmi', 'init', 'startup', 'extint'] as const;
export type ApicDeliveryMode = (typeof APIC_DELIVERY_MODES)[number];

export function apicDeliveryMode(encoding: number): ApicDeliveryMode {
  return APIC_DELIVERY_MODES[encoding & 7] as ApicDeliveryMode;
}

/** ICR's destination shorthand. */
export type ApicShorthand = 'none' | 'self' | 'all' | 'others';

/**
 * The message of a PCI function's MSI, from its address and data (SDM 3A §11.11.1, §11.11.2).
 */
export function apicMessageOfMsi(address: number, data: number): ApicMessage {
  return {
    vector: data & 0xff,
    deliveryMode: apicDeliveryMode(data >>> 8),
    destination: (address >>> 12) & 0xff,
    logical: (address & 0x04) !== 0,
    trigger: (data & 0x8000) !== 0 ? 'level' : 'edge',
  };
}
