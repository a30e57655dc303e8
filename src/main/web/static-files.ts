/** The renderer's files, to a browser that may have them. */
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { extname, join, sep } from 'node:path';

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.json': 'application/json',
  '.svg': 'image/svg+xml', '.png': 'image/png', '.ico': 'image/x-icon', '.woff2': 'font/woff2', '.wasm': 'application/wasm', '.webmanifest': 'application/manifest+json',
};

/** No script, frame or connection of anybody else's. Inline styles are what React and xterm set. */
export const CONTENT_SECURITY_POLICY = 'default-src \'none\'; script-src \'self\' \'wasm-unsafe-eval\'; style-src \'self\' \'unsafe-inline\'; img-src \'self\' data: blob:; font-src \'self\' data:; '
  + 'connect-src \'self\'; worker-src \'self\' blob:; manifest-src \'self\'; base-uri \'none\'; form-action \'none\'; frame-ancestors \'none\'';

export interface StaticFile { readonly path: string; readonly headers: Readonly<Record<string, string>> }

/** `undefined` for what is no file of the folder; links don't lead out of it. */
export async function findStaticFile(folder: string, urlPath: string): Promise<StaticFile | undefined> {
  try {
    const root = await realpath(folder);
    const path = await realpath(join(root, decodeURIComponent(urlPath === '/' ? '/index.html' : urlPath)));
    if (!path.startsWith(root + sep) || !(await stat(path)).isFile()) return undefined;
    return {
      path,
      headers: {
        'content-type': CONTENT_TYPES[extname(path).toLowerCase()] ?? 'application/octet-stream',
        'cache-control': urlPath.startsWith('/assets/') ? 'max-age=31536000, immutable' : 'no-cache',
        'content-security-policy': CONTENT_SECURITY_POLICY,
        'x-content-type-options': 'nosniff',
      },
    };
  } catch {
    return undefined;
  }
}

export async function serveStaticFile(folder: string, urlPath: string, response: ServerResponse, isHead: boolean): Promise<void> {
  const file = await findStaticFile(folder, urlPath);
  if (file === undefined) {
    response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('Not found\n');
    return;
  }
  response.writeHead(200, file.headers);
  if (isHead) response.end();
  else createReadStream(file.path).on('error', () => { response.destroy(); }).pipe(response);
}
