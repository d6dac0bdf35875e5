// What a visitor downloads.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { brotliCompressSync } from 'node:zlib';
import { withPage } from './browser.mjs';
import { ROOT } from './bundles.mjs';
import { serveFolders } from './site.mjs';

/** Bytes of all wasm as a web server sends them. */
const BUDGET = 3 * 1024 * 1024;

/** The same of everything that a person waits for before a bundle can be opened. */
const SHELL = 150 * 1024;

const dist = join(ROOT, 'dist');

/** Bytes of files with Brotli, which takes seconds. */
const compressed = new Map();

function sent(name) {
  if (!compressed.has(name)) compressed.set(name, brotliCompressSync(readFileSync(join(dist, name))).length);
  return compressed.get(name);
}

test('all wasm together stays within its budget', () => {
  let total = 0;
  for (const name of readdirSync(dist, { recursive: true }).filter((file) => file.endsWith('.wasm'))) {
    console.log(`${name}: ${statSync(join(dist, name)).size} bytes, ${sent(name)} with Brotli`);
    total += sent(name);
  }
  console.log(`all wasm: ${total} bytes with Brotli of ${BUDGET} allowed`);
  assert.ok(total > 0 && total <= BUDGET);
});

test('a bundle can be chosen before the rest of the program is there', { timeout: 60_000 }, async () => {
  const site = await serveFolders([dist]);
  try {
    await withPage({ origin: site.origin }, async (page) => {
      const asked = new Set();
      page.on('request', (request) => asked.add(request.url().slice(site.address.length) || 'index.html'));
      // The other parts take their time.
      let go;
      const gone = new Promise((resolve) => (go = resolve));
      const part = /(split|chunk)_\w+\.wasm$/;
      await page.route(part, (route) => gone.then(() => route.continue()));
      await page.goto(site.address);
      await page.locator('#sample').click();
      await page.getByText('Opening sample.optimil').waitFor();
      const shell = [...asked].filter((name) => !part.test(name));
      const bytes = shell.reduce((sum, name) => sum + sent(name), 0);
      console.log(`first page: ${bytes} bytes with Brotli of ${SHELL} allowed (${shell.join(', ')})`);
      assert.ok(shell.some((name) => name.endsWith('explorer_bg.wasm')));
      assert.ok(bytes <= SHELL);
      go();
      await page.locator('#count', { hasText: '131' }).waitFor();
    });
  } finally {
    site.close();
  }
});
