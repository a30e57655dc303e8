import { copyFileSync, existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { assetsFolder } from '../build/folders.mjs';
import { unpackedFolder } from './debian-packages.mjs';

const firmwareFolder = join(assetsFolder, 'firmware');
const FILES = ['bios-256k.bin', 'vgabios-stdvga.bin'];

/** Where QEMU and SeaBIOS install firmware on other systems. */
const INSTALLED_FOLDERS = [
  '/usr/share/seabios', '/usr/share/qemu', '/usr/share/qemu-firmware', '/usr/share/seavgabios',
  '/opt/homebrew/share/qemu', '/usr/local/share/qemu', '/opt/local/share/qemu', 'C:\\Program Files\\qemu\\share',
];

export function firmwareIsHere() {
  return FILES.every((file) => existsSync(join(firmwareFolder, file)));
}

/** Copies SeaBIOS into assets/firmware/. @returns {string[]} the files found nowhere */
export function installFirmware() {
  mkdirSync(firmwareFolder, { recursive: true });
  const package_ = unpackedFolder({ name: 'seabios', architecture: 'amd64' });
  const folders = [join(package_, 'usr/share/seabios'), ...INSTALLED_FOLDERS];
  const licence = join(package_, 'usr/share/doc/seabios/copyright');
  if (existsSync(licence)) copyFileSync(licence, join(firmwareFolder, 'SEABIOS-COPYRIGHT'));
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
