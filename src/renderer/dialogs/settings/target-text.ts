import type { AllowedTargetConfig, PortForwardConfig } from '../../../shared/network-config.ts';

/** As it is typed: `192.168.1.0/24:80`. */
export function targetText({ host, port }: AllowedTargetConfig): string {
  if (port === undefined) return host;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `TCP 127.0.0.1:8080 → 80` */
export function forwardText({ protocol, host, guest }: PortForwardConfig): string {
  const place = host.address.includes(':') ? `[${host.address}]` : host.address;
  return `${protocol.toUpperCase()} ${place}:${host.port} → ${guest.address === undefined ? '' : `${guest.address}:`}${guest.port}`;
}
