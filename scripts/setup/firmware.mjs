import { copyFileSync, existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { assetsFolder } from '../build/folders.mjs';
import { unpackedFolder } from './debian-packages.mjs';

const firmwareFolder = join(assetsFolder, 'firmware');
const SEABIOS_FILES = ['bios-256k.bin', 'vgabios-stdvga.bin'];
/** Network boot, one for each kind of adapter. */
const IPXE_FILES = ['pxe-virtio.rom', 'pxe-e1000.rom', 'pxe-rtl8139.rom', 'pxe-ne2k_pci.rom', 'pxe-pcnet.rom'];
const FILES = [...SEABIOS_FILES, ...IPXE_FILES];

/** Where QEMU and SeaBIOS install firmware on other systems. */
const INSTALLED_FOLDERS = [
  '/usr/share/seabios', '/usr/share/qemu', '/usr/share/qemu-firmware', '/usr/share/seavgabios', '/usr/lib/ipxe/qemu', '/usr/share/ipxe',
  '/opt/homebrew/share/qemu', '/usr/local/share/qemu', '/opt/local/share/qemu', 'C:\\Program Files\\qemu\\share',
];

export function firmwareIsHere() {
  return FILES.every((file) => existsSync(join(firmwareFolder, file)));
}

/** Copies SeaBIOS and iPXE into assets/firmware/. @returns {string[]} the files found nowhere */
export function installFirmware() {
  mkdirSync(firmwareFolder, { recursive: true });
  const seabios = unpackedFolder({ name: 'seabios', architecture: 'amd64' });
  const ipxe = unpackedFolder({ name: 'ipxe-qemu', architecture: 'amd64' });
  const folders = [join(seabios, 'usr/share/seabios'), join(ipxe, 'usr/lib/ipxe/qemu'), ...INSTALLED_FOLDERS];
  keepLicence(join(seabios, 'usr/share/doc/seabios/copyright'), 'SEABIOS-COPYRIGHT');
  keepLicence(join(ipxe, 'usr/share/doc/ipxe-qemu/copyright'), 'IPXE-COPYRIGHT');
  return FILES.filter((file) => {
    const destination = join(firmwareFolder, file);
    if (existsSync(destination)) return false;
    const source = folders.map((folder) => join(folder, file)).find((path) => existsSync(path));
    if (source === undefined) return true;
    copyFileSync(source, `${destination}.part`);
    renameSync(`${destination}.part`, destination);
    return false;
  });
}

/** @param {string} from @param {string} name */
function keepLicence(from, name) {
  if (existsSync(from)) copyFileSync(from, join(firmwareFolder, name));
}
