// What a visitor downloads.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { brotliCompressSync } from 'node:zlib';
import { ROOT } from './bundles.mjs';

/** Bytes of all wasm as a web server sends them. */
const BUDGET = 3 * 1024 * 1024;

/** The same of the page's own, which everybody waits for: it has grown beyond its budget of 150 KiB, and grows no further. */
const PAGE = 545_000;

test('all wasm together stays within its budget', () => {
  const dist = join(ROOT, 'dist');
  let total = 0;
  for (const name of readdirSync(dist).filter((file) => file.endsWith('.wasm'))) {
    const bytes = readFileSync(join(dist, name));
    const sent = brotliCompressSync(bytes).length;
    total += sent;
    if (name.startsWith('explorer')) assert.ok(sent <= PAGE, `${name}: ${sent} bytes with Brotli of ${PAGE} allowed`);
    console.log(`${name}: ${bytes.length} bytes, ${sent} with Brotli`);
  }
  console.log(`all wasm: ${total} bytes with Brotli of ${BUDGET} allowed`);
  assert.ok(total > 0 && total <= BUDGET);
});
