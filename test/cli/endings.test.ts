import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { HALT, outByte, printOnSerial, romFile, tripleFault } from '../guest/rom.ts';
import { removeScratchFiles } from '../guest/run-guest.ts';
import { commandLineAt, eventually, expectRefusal, isAlive, scratchFolder, vmProcesses } from './guesthouse-command.ts';

removeScratchFiles();
const scratch = scratchFolder();
const home = scratch.file('home');
const { run, start } = commandLineAt(home);
const onLinux = test.skipIf(process.platform !== 'linux');

const exits = romFile('exits', [...printOnSerial('bye\n'), ...outByte(0xf4, 37), ...HALT]);
const stays = romFile('stays', [...printOnSerial('ready\n'), ...HALT]);
const powersOff = romFile('power-off', [...printOnSerial('bye\n'), ...outByte(0xf4, 0), ...HALT]);
const greeting = printOnSerial('once\n');
const faults = romFile('faults', [...greeting, ...tripleFault(greeting.length)]);
/** MOV DX,3FDh; IN AL,DX; TEST AL,1; JZ; MOV DX,3F8h; IN AL,DX; OUT DX,AL; JMP: what comes in on COM1 goes out again. */
const echoes = romFile('echoes', [...printOnSerial('ready\n'), 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb, 0xba, 0xf8, 0x03, 0xec, 0xee, 0xeb, 0xf1]);
/** MOV DX,3F8h; MOV AL,'x'; OUT DX,AL; JMP back to the OUT */
const floods = romFile('floods', [0xba, 0xf8, 0x03, 0xb0, 0x78, 0xee, 0xeb, 0xfd]);

describe('how a run ends', () => {
  test('--exit-port N ends with N', async () => {
    expect(await run(['run', '--bios', exits, '--exit-port', '0xf4'])).toEqual({ status: 37, out: 'bye\n', err: '' });
    expect(await run(['run', '--bios', powersOff, '--exit-port', '0xf4'])).toEqual({ status: 0, out: 'bye\n', err: '' });
  });

  test('--exit-on ends with 0, --fail-on with 1, and --fail-on goes before', async () => {
    expect(await run(['run', '--bios', stays, '--exit-on', 'ready'])).toEqual({ status: 0, out: 'ready\n', err: '' });
    for (const more of [[], ['--exit-on', 'ready']]) {
      const failed = await run(['run', '--bios', stays, '--fail-on', 'ready', ...more]);
      expect(failed.status).toBe(1);
      expect(failed.err).toMatch(/^guesthouse: the text "ready" appeared on the serial console: [^\n]+\n$/);
    }
  });

  test('--timeout ends with 124', async () => {
    const ended = await run(['run', '--bios', stays, '--timeout', '1.5']);
    expect([ended.status, ended.out]).toEqual([124, 'ready\n']);
    expect(ended.err).toMatch(/^guesthouse: the machine did not finish within 1.5 seconds: [^\n]+\n$/);
  });

  test('the console goes to a file, and pictures are written', async () => {
    const serial = scratch.file('serial.log');
    const picture = scratch.file('screen.png');
    expect(await run(['run', '--bios', powersOff, '--exit-port', '0xf4', '--serial', `file:${serial}`, '--screenshot-on-exit', picture])).toEqual({ status: 0, out: '', err: '' });
    expect(readFileSync(serial, 'utf8')).toBe('bye\n');
    expect(readFileSync(picture).subarray(1, 4).toString()).toBe('PNG');
  });
});

describe('a guest that triple-faults', () => {
  test('is ended by --on-reset stop, with 1 and a line that says so', async () => {
    const ended = await run(['run', '--bios', faults, '--on-reset', 'stop']);
    expect([ended.status, ended.out]).toEqual([1, 'once\n']);
    expect(ended.err).toMatch(/^guesthouse: the guest crashed its CPU \(triple fault\): [^\n]+\n$/);
  });

  test('is reset as a PC does; that it does so again and again is said once', async () => {
    const ended = await run(['run', '--bios', faults, '--timeout', '2']);
    expect(ended.status).toBe(124);
    expect(ended.out.startsWith('once\n'.repeat(10))).toBe(true);
    expect(ended.err).toMatch(/^guesthouse: the guest resets again and again, as its CPU triple-faults: [^\n]*--on-reset stop[^\n]*\nguesthouse: the machine did not finish[^\n]+\n$/);
  });
});

describe('ended from outside', () => {
  onLinux('a killed VM process is a failed run; another machine goes on, and the disk can be used again', async () => {
    const disk = scratch.file('disk.img', new Uint8Array(8192).fill(9));
    const victim = start(['run', '--bios', stays, '--disk', disk]);
    const other = start(['run', '--bios', echoes, '--exit-on', 'still here'], { stdin: 'pipe' });
    await Promise.all([victim.printed('ready'), other.printed('ready')]);
    process.kill(await victim.vmProcess(), 'SIGKILL');
    const ended = await victim.ended;
    expect([ended.status, ended.out]).toEqual([1, 'ready\n']);
    expect(ended.err).toMatch(/^guesthouse: the machine's process died \(it was ended by SIGKILL\): [^\n]+\n$/);
    other.child.stdin!.write('still here');
    expect(await other.ended).toMatchObject({ status: 0, err: '' });
    expect(await run(['run', '--bios', powersOff, '--exit-port', '0xf4', '--disk', disk])).toMatchObject({ status: 0, err: '' });
    expect(readFileSync(disk).equals(Buffer.alloc(8192, 9))).toBe(true);
  });

  onLinux('the VM process ends with the command that started it', async () => {
    const disk = scratch.file('orphan.img', new Uint8Array(4096));
    const command = start(['run', '--bios', stays, '--disk', disk]);
    await command.printed('ready');
    const vm = await command.vmProcess();
    command.child.kill('SIGKILL');
    await eventually(() => !isAlive(vm), () => 'the VM process lives on');
    expect(existsSync(`${disk}.lock`)).toBe(false);
  });

  onLinux.each([['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const)('%s ends the machine in order', async (signal, status) => {
    const disk = scratch.file(`${signal}.img`, new Uint8Array(4096));
    const stats = scratch.file(`${signal}.json`);
    const command = start(['run', '--bios', stays, '--disk', disk, '--stats', stats]);
    await command.printed('ready');
    const vm = await command.vmProcess();
    command.child.kill(signal);
    // A parent may pass on what the terminal has sent already.
    command.child.kill(signal);
    expect(await command.ended).toEqual({ status, out: 'ready\n', err: '' });
    expect(isAlive(vm)).toBe(false);
    // A VM process that was killed instead would leave its lock and no figures.
    expect([existsSync(`${disk}.lock`), existsSync(stats)]).toEqual([false, true]);
  });

  onLinux('a reader that goes away ends the machine without a word', async () => {
    const command = start(['run', '--bios', floods]);
    await command.printed('xxx');
    const vm = await command.vmProcess();
    command.child.stdout.destroy();
    expect(await command.ended).toMatchObject({ status: 1, err: '' });
    expect(isAlive(vm)).toBe(false);
  });

  test.skipIf(!existsSync('/dev/full'))('output that can\'t be written is a failure', async () => {
    for (const args of [['list'], ['run', '--bios', stays, '--timeout', '20']]) {
      const shell = spawn('sh', ['-c', 'exec "$@" >/dev/full', 'sh', ...start(['--version']).child.spawnargs.slice(0, 2), ...args], { env: { ...process.env, GUESTHOUSE_HOME: home }, stdio: ['ignore', 'ignore', 'pipe'] });
      let err = '';
      shell.stderr.setEncoding('utf8').on('data', (text: string) => { err += text; });
      const status = await new Promise((resolve) => { shell.on('close', resolve); });
      expect([args[0], status]).toEqual([args[0], 1]);
      expect(err).toMatch(/^guesthouse: standard output could not be written \(ENOSPC\): [^\n]+\n$/);
    }
  });
});

describe('the lock of a disk', () => {
  onLinux('is taken over from a process that is gone, also when another has its number now', async () => {
    const disk = scratch.file('stale.img', new Uint8Array(4096));
    for (const contents of ['999999999\n', `${process.pid} 12345\n`, 'nonsense\n']) {
      writeFileSync(`${disk}.lock`, contents);
      expect(await run(['run', '--bios', powersOff, '--exit-port', '0xf4', '--disk', disk])).toMatchObject({ status: 0, err: '' });
      expect(existsSync(`${disk}.lock`)).toBe(false);
    }
    writeFileSync(`${disk}.lock`, `${process.pid}\n`);
    expectRefusal(await run(['run', '--bios', powersOff, '--exit-port', '0xf4', '--disk', disk]), 1, new RegExp(`in use by process ${process.pid}`));
  });

  onLinux('is given to one of several that come at once', async () => {
    const disk = scratch.file('raced.img', new Uint8Array(4096));
    writeFileSync(`${disk}.lock`, '999999999\n');
    const runs = [1, 2, 3].map(() => start(['run', '--bios', stays, '--disk', disk]));
    const refused = await new Promise<number>((resolve) => {
      let count = 0;
      for (const { ended } of runs) void ended.then(({ status }) => { if (status === 1 && ++count === 2) resolve(count); });
    });
    expect(refused).toBe(2);
    for (const { child } of runs) child.kill('SIGTERM');
    expect((await Promise.all(runs.map(({ ended }) => ended))).map(({ status }) => status).toSorted()).toEqual([1, 1, 143]);
  });
});

onLinux('nothing of these runs is left', async () => {
  await eventually(() => !vmProcesses().some(({ environment }) => environment.includes(`GUESTHOUSE_HOME=${home}\0`)), () => 'a VM process is left');
});
