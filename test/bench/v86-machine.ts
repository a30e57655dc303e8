/**
 * A machine of v86 (npm package) as a program: `v86-machine.ts SETTINGS-AS-JSON`. The serial port is on standard input and
 * output, or with `show: 'screen'` the rows of the text screen as they change; `show: 'ready'` prints `ready` and stops.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { V86, type V86Options } from 'v86';

export type V86Settings = {
  readonly show: 'serial' | 'screen' | 'ready';
  readonly memoryBytes: number;
  readonly biosPath: string;
  readonly vgaBiosPath: string;
  readonly boot: { readonly kernel: string; readonly initrd: string; readonly commandLine: string } | undefined;
  /** Raw image; what is written to it is forgotten. */
  readonly disk: string | undefined;
};

const settings = JSON.parse(process.argv[2] ?? '') as V86Settings;
const buildFolder = dirname(createRequire(import.meta.url).resolve('v86'));

const options: V86Options & { fastboot: boolean } = {
  wasm_path: join(buildFolder, 'v86.wasm'),
  memory_size: settings.memoryBytes,
  bios: image(settings.biosPath),
  vga_bios: image(settings.vgaBiosPath),
  disable_speaker: true,
  // Without the wait for a key at the boot menu, which the other engines don't offer either.
  fastboot: true,
  autostart: settings.show !== 'ready',
  ...(settings.boot === undefined ? {} : {
    bzimage: image(settings.boot.kernel), initrd: image(settings.boot.initrd), cmdline: settings.boot.commandLine,
  }),
  ...(settings.disk === undefined ? {} : { hda: image(settings.disk) }),
};
const machine = new V86(options);

switch (settings.show) {
  case 'serial': {
    let pending: number[] = [];
    machine.add_listener('serial0-output-byte', (byte) => {
      if (pending.push(byte) > 1) return;
      setImmediate(() => {
        process.stdout.write(Uint8Array.from(pending));
        pending = [];
      });
    });
    process.stdin.setEncoding('latin1').on('data', (text: string) => { machine.serial0_send(text); });
    break;
  }
  case 'screen': {
    const rows: string[][] = [];
    const changed = new Set<number>();
    machine.add_listener('screen-put-char', ([row, column, character]) => {
      (rows[row] ??= [])[column] = String.fromCharCode(character);
      if (changed.add(row).size > 1) return;
      setImmediate(() => {
        for (const one of changed) process.stdout.write(`${Array.from(rows[one] ?? [], (cell) => cell ?? ' ').join('').trimEnd()}\n`);
        changed.clear();
      });
    });
    break;
  }
  case 'ready':
    machine.add_listener('emulator-ready', () => {
      process.stdout.write('ready\n', () => process.exit(0));
    });
    break;
}

function image(path: string): { buffer: ArrayBuffer } {
  return { buffer: Uint8Array.from(readFileSync(path)).buffer };
}
