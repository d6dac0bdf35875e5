// A static file server as plain as any host's, with the explorer below a folder and a strict policy.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
};

const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; " +
  "connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Serves the files of `folders` (the first that has one wins) below /some/folder/. */
export async function serveFolders(folders) {
  const prefix = '/some/folder/';
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const name = pathname === prefix ? 'index.html' : normalize(pathname.slice(prefix.length));
    const body = pathname.startsWith(prefix) && !name.startsWith('..') && (await firstOf(folders, name));
    if (!body) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      'Content-Type': TYPES[extname(name)] ?? 'application/octet-stream',
      'Content-Length': body.length,
      'Content-Security-Policy': POLICY,
      'X-Content-Type-Options': 'nosniff',
    });
    response.end(body);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const origin = `http://localhost:${server.address().port}`;
  return { origin, address: origin + prefix, close: () => {
    server.close();
    server.closeAllConnections();
  } };
}

async function firstOf(folders, name) {
  for (const folder of folders) {
    const body = await readFile(join(folder, name)).catch(() => null);
    if (body) return body;
  }
  return null;
}
