/** Formats of disk images, as the command line and `machine.json` name them. */
export const DISK_FORMATS = ['raw', 'qcow2', 'vdi', 'vmdk', 'vhd', 'vhdx'] as const;
export type DiskFormat = (typeof DISK_FORMATS)[number];

export function isDiskFormat(name: string): name is DiskFormat {
  return (DISK_FORMATS as readonly string[]).includes(name);
}
