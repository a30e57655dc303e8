/** What a machine can start from, and in which order it is tried. */

/** Disks, CDs, and network adapters that have a boot ROM. */
export const BOOT_DEVICES = ['hd', 'cd', 'net'] as const;
export type BootDevice = (typeof BOOT_DEVICES)[number];

/** The network is left out where it isn't named: nobody waits for a server that there isn't. */
export const BOOT_ORDER_DEFAULT: readonly BootDevice[] = ['hd', 'cd'];

/** The usual order with one device before the others. */
export function bootOrderFrom(first: BootDevice): BootDevice[] {
  return [first, ...BOOT_ORDER_DEFAULT.filter((device) => device !== first)];
}
