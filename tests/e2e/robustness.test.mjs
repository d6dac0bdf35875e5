// What happens when a graphics device or a worker is lost in the middle.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, modelWorker, watchedPage, withPage } from './browser.mjs';
import { ROOT, readPredictions, writeBundles } from './bundles.mjs';
import { assertClose, finished, readMolecule } from './shown.mjs';
import { serveFolders } from './site.mjs';

let bundles;
let site;
let expected;

before(async () => {
  bundles = writeBundles();
  expected = readPredictions(bundles.file('predictions.csv'));
  site = await serveFolders([join(ROOT, 'dist'), bundles.folder]);
});

after(() => {
  site?.close();
  bundles?.remove();
});

/** Opens the page on a molecule of many conformers, whose attention is tested as well. */
function open(page, device, bundle = 'model.optimil') {
  const [[id]] = [...expected].sort(([, a], [, b]) => b.conformers.length - a.conformers.length);
  return page.goto(`${site.address}?bundle=${bundle}&device=${device}#v=1&molecule=${id}`);
}

/** Keeps the device of the worker where a test can reach it. */
const keepDevice = (page) =>
  page.context().route('**/start-model.js', async (route) => {
    const keep = `const request = GPUAdapter.prototype.requestDevice;
      GPUAdapter.prototype.requestDevice = async function (...words) {
        return (self.keptDevice = await request.apply(this, words));
      };`;
    const response = await route.fetch();
    await route.fulfill({ response, body: `${keep}\n${await response.text()}` });
  });

/** Lets the worker throw where nobody catches it. */
const crash = (page, words) =>
  modelWorker(page).evaluate((words) => {
    setTimeout(() => {
      throw new Error(words);
    });
  }, words);

async function assertRight(page) {
  await finished(page);
  const shown = await readMolecule(page);
  assertClose(shown.probabilities, expected.get(shown.id).probabilities, `${shown.id} probabilities`);
  await page.locator('#truth .tests[aria-busy=false]').waitFor({ timeout: 60_000 });
}

for (const when of ['while molecules are predicted', 'when all is predicted']) {
  test(`a graphics device that is lost ${when} is replaced by the CPU, and the page says so`, async () => {
    await withPage({ webgpu: true, origin: site.origin }, async (page) => {
      await keepDevice(page);
      await open(page, 'webgpu');
      await page.locator('#status[data-device=webgpu]').waitFor({ timeout: 300_000 });
      if (when === 'when all is predicted') await finished(page);
      await modelWorker(page).evaluate(() => self.keptDevice.destroy());
      await page.locator('#status[data-device=cpu]', { hasText: /: the graphics device was lost/ }).waitFor({ timeout: 60_000 });
      assert.doesNotMatch(await page.locator('#status').textContent(), /panicked|\.rs/, 'words for people');
      await assertRight(page);
    });
  });
}

test('a worker that falls over on the CPU is started anew, and given up when it falls over again and again', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    page.removeAllListeners('pageerror');
    page.removeAllListeners('console');
    await open(page, 'cpu');
    for (const words of ['the first fall', 'the second fall']) {
      await finished(page);
      await crash(page, words);
      await page.locator('#status[data-device=cpu]', { hasText: words }).waitFor({ timeout: 60_000 });
    }
    await assertRight(page);
    await crash(page, 'the third fall');
    await page.locator('#status', { hasText: 'The model has stopped' }).waitFor();
    await page.locator('#status', { hasText: 'the third fall' }).waitFor();
    // What it has said stays, and the person can start it again.
    assert.equal(await page.locator('#bundle-name').textContent(), 'model.optimil');
    await page.locator('#device').selectOption('auto');
    await assertRight(page);
  });
});

test('where the model cannot run, nothing on the page waits for it', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await open(page, 'cpu', 'bare.optimil');
    await page.locator('#status', { hasText: 'travel without their features' }).waitFor();
    await page.locator('#truth', { hasText: 'there is nothing to test' }).waitFor();
    await page.locator('#tasks tbody tr', { hasText: 'percentile –' }).first().waitFor();
    await page.locator('#molecules tbody td.task', { hasText: '–' }).first().waitFor();
    const shown = await page.locator('main').innerText();
    assert.doesNotMatch(shown, /…|being computed/);
    assert.equal(await page.locator('[aria-busy=true]').count(), 0);
    await page.screenshot({ path: join(ROOT, 'tests/screenshots/bare.png'), fullPage: true });
  });
});

test('a part of the page that cannot be fetched is fetched again', { timeout: 120_000 }, async () => {
  const browser = await launch({ webgpu: false });
  try {
    const { page, faults } = await watchedPage(browser, site.origin);
    const failing = new Set(['split_workspace.wasm', 'split_model.wasm']);
    await page.route(/\/split_\w+\.wasm$/, (route) => {
      const fails = failing.has(route.request().url().split('/').pop());
      return fails ? route.abort() : route.continue();
    });
    await page.goto(site.address);
    await page.locator('#trouble', { hasText: 'could not be loaded' }).waitFor();
    await page.setInputFiles('#file', bundles.file('model.optimil'));
    failing.delete('split_workspace.wasm');
    await page.locator('#molecules tbody tr[aria-rowindex]').first().waitFor();
    assert.equal(await page.locator('#trouble').textContent(), '');

    await page.getByRole('link', { name: 'Model', exact: true }).click();
    const again = page.getByRole('button', { name: 'Try again' });
    await again.waitFor();
    failing.clear();
    await again.click();
    await page.locator('.model-page h2').first().waitFor();
    await page.waitForFunction(() => document.activeElement?.matches('.model-page h2'));
    // The browser, and the loader of the parts, say in the console what failed.
    const others = faults().filter((fault) => !/ERR_FAILED|Failed to fetch/.test(fault));
    assert.deepEqual(others, []);
  } finally {
    await browser.close();
  }
});
