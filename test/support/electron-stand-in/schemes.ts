/** `protocol`: custom schemes as requests to made-up hosts of plain HTTP (`guesthouse://app/x` is `http://guesthouse-app.localhost/x`), answered before they reach a network. */
import type { BrowserContext } from 'playwright-core';

type Handler = (request: Request) => Promise<Response> | Response;

const handlers = new Map<string, Handler>();

export const protocol = {
  registerSchemesAsPrivileged(): void {},
  handle(scheme: string, handler: Handler): void {
    handlers.set(scheme, handler);
  },
};

export function toBrowserUrl(url: string): string {
  return url.replace(/^([a-z]+):\/\/([a-z]+)\//, (all, scheme: string, host: string) => (handlers.has(scheme) ? `http://${scheme}-${host}.localhost/` : all));
}

export function fromBrowserUrl(url: string): string {
  return url.replace(/^http:\/\/([a-z]+)-([a-z]+)\.localhost\//, '$1://$2/');
}

export async function answerSchemes(context: BrowserContext): Promise<void> {
  await context.route(/^http:\/\/[a-z]+-[a-z]+\.localhost\//, async (route) => {
    const url = fromBrowserUrl(route.request().url());
    const handler = handlers.get(new URL(url).protocol.slice(0, -1));
    if (handler === undefined) {
      await route.abort();
      return;
    }
    const response = await handler(new Request(url, { method: route.request().method() }));
    await route.fulfill({ status: response.status, headers: Object.fromEntries(response.headers), body: Buffer.from(await response.arrayBuffer()) });
  });
}
