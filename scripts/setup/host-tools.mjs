import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * Programs that the tests and the benchmark use and that cannot merely be unpacked.
 * @typedef {{ what: string, commands: string[], apt: string, dnf: string, brew: string }} HostTool
 */

/** @type {readonly HostTool[]} */
const hostTools = [
  {
    what: 'Chromium, which the end-to-end tests drive',
    commands: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable',
      '/Applications/Chromium.app/Contents/MacOS/Chromium', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'],
    apt: 'chromium', dnf: 'chromium', brew: '--cask chromium',
  },
  {
    what: 'QEMU, which tests and the benchmark compare with',
    commands: ['qemu-system-x86_64'],
    apt: 'qemu-system-x86', dnf: 'qemu-system-x86', brew: 'qemu',
  },
  {
    what: 'a C compiler, for the runner that asks the host CPU what an instruction does',
    commands: ['cc'],
    apt: 'gcc libc6-dev', dnf: 'gcc', brew: 'gcc',
  },
  {
    what: 'objdump, which the tests read our machine code with',
    commands: ['objdump'],
    apt: 'binutils', dnf: 'binutils', brew: 'binutils',
  },
  {
    what: 'iasl, which the tests check our ACPI tables with',
    commands: ['iasl'],
    apt: 'acpica-tools', dnf: 'acpica-tools', brew: 'acpica',
  },
  {
    what: 'dmidecode, which the tests check our SMBIOS tables with',
    commands: ['dmidecode'],
    apt: 'dmidecode', dnf: 'dmidecode', brew: 'dmidecode',
  },
  {
    what: 'tshark, which the tests read network captures with',
    commands: ['tshark'],
    apt: 'tshark', dnf: 'wireshark-cli', brew: 'wireshark',
  },
];

/** @param {string[]} commands @returns {string | undefined} the first that exists, as a path */
export function findCommand(commands) {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin',
    '/opt/homebrew/opt/e2fsprogs/sbin', '/usr/local/opt/e2fsprogs/sbin'];
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return commands.flatMap((command) => (command.startsWith('/') ? [command] : folders.map((folder) => join(folder, command + suffix))))
    .find((path) => existsSync(path));
}

export function findChromium() {
  return findCommand(hostTools[0]?.commands ?? []);
}

export function missingHostTools() {
  return hostTools.filter((tool) => findCommand(tool.commands) === undefined);
}

/**
 * Installs what is missing with apt where that is possible.
 * @param {(text: string) => void} say
 * @returns {string[]} one line for each tool still missing: what, and how to get it here
 */
export function installHostTools(say) {
  const missing = missingHostTools();
  if (missing.length === 0) return [];
  const hasApt = findCommand(['apt-get']) !== undefined;
  if (hasApt && process.getuid?.() === 0) {
    const names = missing.flatMap((tool) => tool.apt.split(' '));
    say(`installing with apt: ${names.join(' ')}…`);
    const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
    const install = () => spawnSync('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...names],
      { encoding: 'utf8', env: environment, maxBuffer: 1 << 28 });
    let result = install();
    if (result.status !== 0) {
      // The lists may be absent (fresh container) or name versions that are gone.
      spawnSync('apt-get', ['update', '-q'], { env: environment });
      result = install();
    }
    if (result.status !== 0) say(`apt-get install failed:\n${result.stderr}`);
  }
  return missingHostTools().map((tool) => `${tool.what}: ${howToGet(tool, hasApt)}`);
}

/** @param {HostTool} tool @param {boolean} hasApt */
function howToGet(tool, hasApt) {
  if (hasApt) return `sudo apt-get install ${tool.apt}`;
  if (findCommand(['dnf']) !== undefined) return `sudo dnf install ${tool.dnf}`;
  if (findCommand(['brew']) !== undefined) return `brew install ${tool.brew}`;
  return `install ${tool.commands[0]} so that it is found in PATH`;
}
