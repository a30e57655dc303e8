/**
 * Who may speak to the browser shell: a browser on this host that was given the address with its token, at that address.
 * The token becomes a cookie with the first request, so that it doesn't stay in the address bar.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const COOKIE_PREFIX = 'guesthouse-';
export const TOKEN_PARAMETER = 'token';

export class AccessGuard {
  readonly token = randomBytes(24).toString('base64url');
  readonly #port: number;
  readonly #hosts: readonly string[];

  constructor(port: number) {
    this.#port = port;
    this.#hosts = [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`];
  }

  /** Cookies know no ports: each shell on this host has its own name for it. */
  get cookieName(): string {
    return `${COOKIE_PREFIX}${this.#port}`;
  }

  get cookie(): string {
    return `${this.cookieName}=${this.token}; HttpOnly; SameSite=Strict; Path=/`;
  }

  /** A page of another name that resolves to this host (DNS rebinding) sends another Host. */
  hostIsOurs(request: IncomingMessage): boolean {
    return this.#hosts.includes(request.headers.host?.toLowerCase() ?? '');
  }

  /** Browsers send Origin with every WebSocket; only our own page's will do. */
  originIsOurs(request: IncomingMessage): boolean {
    const { origin, host } = request.headers;
    return origin !== undefined && origin.toLowerCase() === `http://${host?.toLowerCase() ?? ''}`;
  }

  tokenMatches(given: string | null | undefined): boolean {
    if (given === undefined || given === null) return false;
    const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
    return timingSafeEqual(digest(given), digest(this.token));
  }

  cookieMatches(request: IncomingMessage): boolean {
    for (const part of (request.headers.cookie ?? '').split(';')) {
      const at = part.indexOf('=');
      if (at > 0 && part.slice(0, at).trim() === this.cookieName) return this.tokenMatches(part.slice(at + 1).trim());
    }
    return false;
  }
}
