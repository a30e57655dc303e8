/** Captures as Wireshark reads them: an oracle that shares nothing with our code. */
import { spawnSync } from 'node:child_process';
import { findCommand } from '../../scripts/setup/host-tools.mjs';

/** What it says at every start as root. */
const NOISE = /^Running as user "root" and group "root"\. This could be dangerous\.$/;
/** PI_WARN of epan/proto.h. */
const WARNING = 0x600000;

function tshark(args: readonly string[]): { readonly lines: string[]; readonly errors: string[] } {
  const program = findCommand(['tshark']);
  if (program === undefined) throw new Error('tshark is not installed: npm run setup');
  const { status, stdout, stderr, error } = spawnSync(program, ['-n', '-o', 'ip.check_checksum:TRUE', '-o', 'tcp.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE', ...args],
    { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (error !== undefined) throw error;
  const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');
  const errors = linesOf(stderr).filter((line) => !NOISE.test(line));
  return { lines: linesOf(stdout), errors: status === 0 ? errors : [...errors, `ended with ${status}`] };
}

/** The named fields of every frame that a display filter picks. */
export function captureFields(file: string, filter: string, fields: readonly string[]): string[][] {
  return tshark(['-r', file, '-Y', filter, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])]).lines.map((line) => line.split('\t'));
}

export interface CaptureFindings {
  /** Frames that Wireshark could take apart. */
  readonly frames: number;
  readonly tcpStreams: number;
  /** What it says of the file itself. */
  readonly errors: readonly string[];
  /** Malformed frames and wrong checksums; not the connections that somebody reset. */
  readonly warnings: readonly string[];
  /** Segments that were lost, came twice or out of order, windows that were full or closed. */
  readonly troubles: readonly string[];
}

export function inspectCapture(file: string): CaptureFindings {
  const fields = (filter: string): { readonly lines: string[]; readonly errors: string[] } => (
    tshark(['-r', file, '-Y', filter, '-T', 'fields', '-e', 'frame.number', '-e', '_ws.col.Info', '-e', '_ws.expert.message']));
  const frames = tshark(['-r', file, '-T', 'fields', '-e', 'frame.number', '-e', 'tcp.stream']);
  const warnings = fields(`(_ws.expert.severity >= ${WARNING} && !tcp.flags.reset == 1 && !tcp.analysis.flags) || _ws.malformed || tcp.checksum.status == "Bad" || ip.checksum.status == "Bad" || udp.checksum.status == "Bad"`);
  const troubles = fields('tcp.analysis.flags && !tcp.analysis.window_update && !tcp.analysis.keep_alive && !tcp.analysis.keep_alive_ack');
  return {
    frames: frames.lines.length,
    tcpStreams: new Set(frames.lines.flatMap((line) => line.split('\t')[1] || [])).size,
    errors: [...frames.errors, ...warnings.errors, ...troubles.errors],
    warnings: warnings.lines,
    troubles: troubles.lines,
  };
}
