/** `--net`, `--nic` and `--forward`: from text to adapters, or wrong usage. */
import { resolve } from 'node:path';
import {
  ADAPTER_MODELS, ADAPTERS_MAXIMUM, adapterConfigSchema, bootFileSchema, networkNameSchema, parseAllowedTarget, parsePortForward, REACHES, type AdapterConfig, type NetworkMode,
} from '../../../shared/network-config.ts';
import { EXIT_USAGE, unwrap, usageFailure } from '../outcome.ts';

export interface NetworkOptions {
  readonly net: readonly string[];
  readonly nic?: string;
  readonly forward: readonly string[];
}

export interface PlannedAdapter {
  readonly config: AdapterConfig;
  /** pcapng file for its frames. */
  readonly capturePath: string | undefined;
}

/**
 * `--net none`, or one of `nat`, `host-only`, `nat-network=NAME` and `internal=NAME`, with
 * `[,reach=…][,allow=HOST[:PORT]]…[,forward=…]…[,nic=MODEL][,mac=MAC][,capture=FILE][,delay=MILLIS][,jitter=MILLIS][,loss=PERCENT][,boot-folder=FOLDER][,boot-file=NAME]`,
 * for each adapter; `user` is another name of `nat`. `--nic` and `--forward` are the first adapter's.
 */
export function planAdapters({ net, nic, forward }: NetworkOptions): PlannedAdapter[] {
  const wanted = net.filter((text) => text !== 'none');
  if (wanted.length < net.length && wanted.length > 0) throw usageFailure('--net none stands beside another --net', 'leave one of them out');
  if (wanted.length === 0 && (nic !== undefined || forward.length > 0)) throw usageFailure('--nic and --forward need a network', 'give --net nat');
  if (wanted.length > ADAPTERS_MAXIMUM) throw usageFailure(`a machine can have ${ADAPTERS_MAXIMUM} network adapters`, 'give fewer --net');
  return wanted.map((text, index) => {
    const first = index === 0 ? [...(nic === undefined ? [] : [`nic=${nic}`]), ...forward.map((rule) => `forward=${rule}`)] : [];
    return planAdapter(text, first);
  });
}

/** A comma in a value is written twice. */
function planAdapter(text: string, more: readonly string[]): PlannedAdapter {
  const [first = '', ...given] = text.replaceAll(',,', '\0').split(',').map((part) => part.replaceAll('\0', ','));
  const { mode, network } = planMode(first);
  const allow: unknown[] = [];
  const forwards: unknown[] = [];
  let model: string | undefined;
  let reach: string | undefined;
  let mac: string | undefined;
  let capturePath: string | undefined;
  let bootFolder: string | undefined;
  let bootFile: string | undefined;
  const link: Record<string, number> = {};
  for (const setting of [...given, ...more]) {
    const [key = '', ...rest] = setting.split('=');
    const value = rest.join('=');
    switch (key) {
      case 'allow': allow.push(unwrap(parseAllowedTarget(value), EXIT_USAGE)); break;
      case 'forward': forwards.push(unwrap(parsePortForward(value), EXIT_USAGE)); break;
      case 'nic': model = oneOf(value, ADAPTER_MODELS, '--nic'); break;
      case 'reach': reach = oneOf(value, REACHES, '--net reach'); break;
      case 'mac': mac = value.toLowerCase(); break;
      case 'capture':
        if (value === '') throw usageFailure('--net capture needs a file', 'give its path');
        capturePath = resolve(value);
        break;
      case 'delay': link['delayMillis'] = amount(key, value, 10_000); break;
      case 'jitter': link['jitterMillis'] = amount(key, value, 10_000); break;
      case 'loss': link['lossPercent'] = amount(key, value, 100); break;
      case 'boot-folder':
        if (value === '') throw usageFailure('--net boot-folder needs a folder', 'give its path');
        bootFolder = resolve(value);
        break;
      case 'boot-file':
        if (!bootFileSchema.safeParse(value).success) throw usageFailure(`--net boot-file "${value}" is no name of a boot file`, 'give up to 127 letters without spaces, such as pxelinux.0');
        bootFile = value;
        break;
      default: throw usageFailure(`--net knows no setting "${setting}"`, 'use reach=, allow=, forward=, nic=, mac=, capture=, delay=, jitter=, loss=, boot-folder= or boot-file=');
    }
  }
  if (mode === 'host-only' && (reach !== undefined || allow.length > 0)) throw usageFailure('--net host-only has no way out', 'use --net nat with reach= and allow=');
  if (mode === 'internal' && (reach !== undefined || allow.length + forwards.length > 0)) throw usageFailure('--net internal leads nowhere but to other machines', 'use --net nat-network=NAME with reach=, allow= and forward=');
  if (mode === 'internal' && (bootFolder !== undefined || bootFile !== undefined)) throw usageFailure('nobody gives out a boot folder on --net internal', 'use --net nat-network=NAME');
  if (bootFile !== undefined && bootFolder === undefined) throw usageFailure('--net boot-file needs a folder that it is in', 'give boot-folder=FOLDER');
  if (reach === 'nothing' && allow.length > 0) throw usageFailure('--net reach=nothing allows nothing', 'use reach=listed with allow=');
  const checked = adapterConfigSchema.safeParse({ model, mode, network, reach, mac, allow, forwards, bootFolder, bootFile, ...link });
  if (!checked.success) throw usageFailure(`--net mac=${mac ?? ''} is no MAC address of an adapter`, 'give one such as 52:47:48:12:34:56');
  return { config: checked.data, capturePath };
}

function planMode(text: string): { readonly mode: NetworkMode; readonly network: string | undefined } {
  const [mode = '', ...rest] = text.split('=');
  switch (mode) {
    case 'nat':
    case 'user':
    case 'host-only':
      if (rest.length > 0) break;
      return { mode: mode === 'user' ? 'nat' : mode, network: undefined };
    case 'nat-network':
    case 'internal': {
      const name = networkNameSchema.safeParse(rest.join('='));
      if (!name.success) throw usageFailure(`--net ${mode} needs a network's name of letters, digits, dots and hyphens`, `give --net ${mode}=NAME`);
      return { mode, network: name.data };
    }
    default:
  }
  throw usageFailure(`--net "${text}" is not known`, 'give nat, host-only, nat-network=NAME, internal=NAME or none');
}

function amount(key: string, text: string, most: number): number {
  const value = Number(text);
  if (!/^\d+(?:\.\d+)?$/.test(text) || value > most) throw usageFailure(`--net ${key}=${text} is no number from 0 to ${most}`, 'give one');
  return value;
}

function oneOf<const T extends string>(text: string, allowed: readonly T[], option: string): T {
  const found = allowed.find((value) => value === text);
  if (found === undefined) throw usageFailure(`${option} "${text}" is not known`, `give one of ${allowed.join(', ')}`);
  return found;
}
