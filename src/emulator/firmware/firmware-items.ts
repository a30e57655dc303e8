/** Everything the board tells its firmware, as fw_cfg items: the door of this folder. */
import type { FwCfgItem } from '../interfaces/fw-cfg-item.ts';
import { PCI_SLOTS } from '../machine/pc-layout.ts';
import { ACPI_RSDP_FILE, ACPI_TABLES_FILE, acpiFiles, TABLE_LOADER_FILE } from './acpi-tables.ts';
import type { BoardDescription } from './board-description.ts';
import { ByteWriter } from './byte-writer.ts';
import { DIRECT_BOOT_ROM_FILE, directBootRom } from './direct-boot-rom.ts';
import { e820Entries, e820File } from './e820.ts';
import { FW_CFG_KEYS } from './fw-cfg-keys.ts';
import type { LinuxBootPlan } from './linux-boot.ts';
import { SMBIOS_ANCHOR_FILE, SMBIOS_TABLES_FILE, smbiosFiles } from './smbios-tables.ts';

export interface FirmwareSettings {
  readonly board: BoardDescription;
  /** Paths from `ideBootPath`, `ahciBootPath` and `pciBootPath`, first choice first. A directly booted kernel comes before them all. */
  readonly bootOrder: readonly string[];
  /** How long the firmware offers its boot menu, in milliseconds below 65,536; `undefined`: not at all. */
  readonly bootMenuMillis: number | undefined;
  readonly directBoot: LinuxBootPlan | undefined;
  /** Files of the user's own ("opt/…") and further ones of the board's. */
  readonly files?: readonly { readonly name: string; readonly bytes: Uint8Array }[];
}

/** A drive of the IDE controller as "bootorder" names it. */
export function ideBootPath(channel: 0 | 1, drive: 0 | 1): string {
  return `/pci@i0cf8/ide@${PCI_SLOTS.ide.slot},${PCI_SLOTS.ide.function}/drive@${channel}/disk@${drive}`;
}

/** A drive of the AHCI controller. */
export function ahciBootPath(port: number): string {
  return `/pci@i0cf8/sata@${PCI_SLOTS.ahci.slot.toString(16)}/drive@${port}/disk@0`;
}

/** A PCI card that the firmware boots from, such as a virtio disk. `kind` is for readers only. */
export function pciBootPath(slot: number, kind: 'scsi' | 'ethernet' = 'scsi'): string {
  return `/pci@i0cf8/${kind}@${slot.toString(16)}`;
}

export function firmwareItems(settings: FirmwareSettings): FwCfgItem[] {
  const { board, directBoot } = settings;
  const acpi = acpiFiles(board);
  const smbios = smbiosFiles(board);
  const bootOrder = directBoot === undefined ? settings.bootOrder : [`/rom@${DIRECT_BOOT_ROM_FILE}`, ...settings.bootOrder];
  const items: FwCfgItem[] = [
    { key: FW_CFG_KEYS.uuid, bytes: board.uuid },
    { key: FW_CFG_KEYS.ramSize, bytes: new ByteWriter().u64(board.ramBytes).bytes() },
    { key: FW_CFG_KEYS.noGraphics, bytes: new ByteWriter().u16(0).bytes() },
    { key: FW_CFG_KEYS.cpuCount, bytes: new ByteWriter().u16(board.cpuCount).bytes() },
    { key: FW_CFG_KEYS.maximumCpuCount, bytes: new ByteWriter().u16(board.cpuCount).bytes() },
    { key: FW_CFG_KEYS.bootMenu, bytes: new ByteWriter().u16(settings.bootMenuMillis === undefined ? 0 : 1).bytes() },
    { key: FW_CFG_KEYS.irq0Override, bytes: Uint8Array.of(1) },
    { name: 'etc/e820', bytes: e820File(e820Entries(board.ramBytes)) },
    { name: TABLE_LOADER_FILE, bytes: acpi.loader },
    { name: ACPI_TABLES_FILE, bytes: acpi.tables },
    { name: ACPI_RSDP_FILE, bytes: acpi.rsdp },
    { name: SMBIOS_TABLES_FILE, bytes: smbios.tables },
    { name: SMBIOS_ANCHOR_FILE, bytes: smbios.anchor },
    { name: 'bootorder', bytes: new ByteWriter().ascii(bootOrder.join('\n')).u8(0).bytes() },
    ...(settings.files ?? []),
  ];
  if (settings.bootMenuMillis !== undefined) {
    items.push({ name: 'etc/boot-menu-wait', bytes: new ByteWriter().u16(settings.bootMenuMillis).bytes() });
  }
  if (directBoot !== undefined) items.push(...directBoot.items, { name: DIRECT_BOOT_ROM_FILE, bytes: directBootRom() });
  return items;
}
