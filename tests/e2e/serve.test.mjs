// `optimil serve`: the explorer inside the program, on one bundle.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { after, before, test } from 'node:test';
import { withPage } from './browser.mjs';
import { OPTIMIL, writeBundles } from './bundles.mjs';

let bundles;
let server;
let address;

before(async () => {
  bundles = writeBundles();
  server = spawn(OPTIMIL, ['serve', bundles.file('model.optimil'), '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(server, 'close').then(([code]) => assert.fail(`optimil serve ended with ${code}`));
  const [line] = await Promise.race([once(server.stdout.setEncoding('utf8'), 'data'), closed]);
  address = new URL(line.trim());
  closed.catch(() => {});
});

after(() => {
  server?.kill();
  bundles?.remove();
});

/** Status and headers of an answer. */
async function ask(path, options = {}) {
  const asked = request({ host: '127.0.0.1', port: address.port, path, ...options }).end();
  const [response] = await once(asked, 'response');
  response.resume();
  return { status: response.statusCode, headers: response.headers };
}

test('the printed address opens the explorer on the bundle', async () => {
  await withPage({ origin: address.origin }, async (page) => {
    await page.goto(address.href);
    await page.locator('#bundle-name', { hasText: 'bundle.optimil' }).waitFor();
    await page.locator('#status[data-finished=true]').waitFor();
  });
});

test('every answer carries the policy, and only the site and its own host names are answered', async () => {
  const page = await ask('/');
  assert.equal(page.status, 200);
  assert.match(page.headers['content-security-policy'], /script-src 'self' 'wasm-unsafe-eval';/);
  assert.equal(page.headers['x-content-type-options'], 'nosniff');
  const program = await ask('/model_bg.wasm');
  assert.equal(program.headers['content-type'], 'application/wasm');
  assert.ok(Number(program.headers['content-length']) > 1_000_000);
  assert.equal((await ask('/../Cargo.toml')).status, 404);
  assert.equal((await ask('/', { method: 'POST' })).status, 405);
  assert.equal((await ask('/', { headers: { host: 'evil.example' } })).status, 403);
});

test('connections that come in at the same moment are all answered', { timeout: 60_000 }, async () => {
  for (let round = 0; round < 60; round += 1) {
    const agent = new Agent({ keepAlive: true });
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask('/icon.svg', { agent })));
    assert.ok(answers.every(({ status }) => status === 200));
    agent.destroy();
  }
});

test('a file that is no bundle is not served', async () => {
  const refused = spawn(OPTIMIL, ['serve', bundles.file('picture.optimil')], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  refused.stderr.setEncoding('utf8').on('data', (text) => (said += text));
  const [code] = await once(refused, 'close');
  assert.notEqual(code, 0);
  assert.match(said, /not an Optimil model bundle/);
});
