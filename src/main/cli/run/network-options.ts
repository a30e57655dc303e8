/** `--net`, `--nic` and `--forward`: from text to adapters, or wrong usage. */
import { resolve } from 'node:path';
import {
  ADAPTER_MODELS, ADAPTERS_MAXIMUM, adapterConfigSchema, parseAllowedTarget, parsePortForward, REACHES, type AdapterConfig,
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
 * `--net none`, or `--net nat[,reach=…][,allow=HOST[:PORT]]…[,forward=…]…[,nic=MODEL][,mac=MAC][,capture=FILE]`, one for
 * each adapter; `user` is another name of `nat`. `--nic` and `--forward` are the first adapter's.
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
  const [mode = '', ...given] = text.replaceAll(',,', '\0').split(',').map((part) => part.replaceAll('\0', ','));
  if (mode !== 'nat' && mode !== 'user') throw usageFailure(`--net "${mode}" is not known`, 'give nat or none');
  const allow: unknown[] = [];
  const forwards: unknown[] = [];
  let model: string | undefined;
  let reach: string | undefined;
  let mac: string | undefined;
  let capturePath: string | undefined;
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
      default: throw usageFailure(`--net knows no setting "${setting}"`, 'use reach=, allow=, forward=, nic=, mac= or capture=');
    }
  }
  if (reach === 'nothing' && allow.length > 0) throw usageFailure('--net reach=nothing allows nothing', 'use reach=listed with allow=');
  const checked = adapterConfigSchema.safeParse({ model, reach, mac, allow, forwards });
  if (!checked.success) throw usageFailure(`--net mac=${mac ?? ''} is no MAC address of an adapter`, 'give one such as 52:47:48:12:34:56');
  return { config: checked.data, capturePath };
}

function oneOf<const T extends string>(text: string, allowed: readonly T[], option: string): T {
  const found = allowed.find((value) => value === text);
  if (found === undefined) throw usageFailure(`${option} "${text}" is not known`, `give one of ${allowed.join(', ')}`);
  return found;
}
