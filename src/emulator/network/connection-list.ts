/** What a guest has open through its network, for people to look at. */
import type { Endpoint } from './host-network.ts';

export interface Connection {
  readonly protocol: 'tcp' | 'udp';
  /** Who began it: the guest, or somebody at a forwarded port. */
  readonly origin: 'guest' | 'forward';
  readonly guest: Endpoint;
  /** As the guest sees it; who came in through a forwarded UDP port as the host does. */
  readonly remote: Endpoint;
  readonly state: 'opening' | 'open' | 'closing';
  /** Payload that the guest got, and that it sent. */
  readonly bytesIn: number;
  readonly bytesOut: number;
}
