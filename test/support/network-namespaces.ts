/**
 * A small world of network namespaces, made with Debian's iproute2: the host that a guest runs on, and a neighbour on its
 * local network. What is sent in it reaches nothing outside.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { findCommand } from '../../scripts/setup/host-tools.mjs';

/** Public by their numbers, so that only the host's own networks can tell that they are local. */
export const HOST_IPV4 = '11.22.33.1';
export const NEIGHBOUR_IPV4 = '11.22.33.2';
export const HOST_IPV6 = '2a0b:1:2:3::1';
export const NEIGHBOUR_IPV6 = '2a0b:1:2:3::2';
/** Behind the neighbour, which is the host's router. */
export const FAR_IPV4 = '93.184.216.34';

/** Why there can be none here, or `undefined`. */
export function namespacesMissing(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are Linux\'s';
  if (findCommand(['ip']) === undefined) return 'ip is not installed: sudo apt-get install iproute2';
  try {
    const name = `gh-try-${process.pid}`;
    ip('netns', 'add', name);
    ip('netns', 'del', name);
    return undefined;
  } catch {
    return 'making network namespaces takes rights that this user lacks here';
  }
}

export class NetworkWorld implements Disposable {
  readonly host = `gh-host-${process.pid}`;
  readonly neighbour = `gh-near-${process.pid}`;
  readonly #children: ChildProcess[] = [];

  constructor() {
    for (const name of [this.host, this.neighbour]) ip('netns', 'add', name);
    try {
      ip('-n', this.host, 'link', 'add', 'name', 'lan0', 'type', 'veth', 'peer', 'name', 'lan0', 'netns', this.neighbour);
      for (const [name, ipv4, ipv6] of [[this.host, HOST_IPV4, HOST_IPV6], [this.neighbour, NEIGHBOUR_IPV4, NEIGHBOUR_IPV6]] as const) {
        ip('-n', name, 'link', 'set', 'lo', 'up');
        ip('-n', name, 'link', 'set', 'lan0', 'up');
        ip('-n', name, 'addr', 'add', `${ipv4}/24`, 'dev', 'lan0');
        ip('-n', name, '-6', 'addr', 'add', `${ipv6}/64`, 'dev', 'lan0', 'nodad');
      }
      ip('-n', this.neighbour, 'addr', 'add', `${FAR_IPV4}/32`, 'dev', 'lo');
      ip('-n', this.host, 'route', 'add', 'default', 'via', NEIGHBOUR_IPV4);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** The program and arguments before a command that is to run there. */
  within(name: string): readonly string[] {
    return [findCommand(['ip'])!, 'netns', 'exec', name];
  }

  /**
   * Listens at a TCP port and a UDP port of every address there, and says `NAME SEES FROM` for all that comes in. What it
   * heard so far is in `heard`.
   */
  async listen(name: string, label: string, tcpPort: number, udpPort: number): Promise<{ readonly heard: () => string }> {
    const program = `
      const tell = (address) => console.log('${label} sees ' + address);
      require('node:net').createServer((socket) => { socket.on('error', () => {}); tell(socket.remoteAddress); socket.end('${label} answers\\n'); })
        .listen({ port: ${tcpPort}, host: '::' }, () => {
          require('node:dgram').createSocket({ type: 'udp6' }).on('message', (_, from) => tell(from.address)).bind(${udpPort}, () => console.log('ready'));
        });`;
    const [command, ...args] = [...this.within(name), process.execPath, '-e', program];
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.push(child);
    let heard = '';
    await new Promise<void>((resolve, reject) => {
      child.once('close', () => { reject(new Error(`the listener in ${name} ended`)); });
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        heard += text;
        if (heard.startsWith('ready\n')) resolve();
      });
    });
    return { heard: () => heard.slice('ready\n'.length) };
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill();
    for (const name of [this.host, this.neighbour]) {
      try {
        ip('netns', 'del', name);
      } catch {
        // Was never made.
      }
    }
  }
}

function ip(...args: string[]): void {
  execFileSync(findCommand(['ip'])!, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
