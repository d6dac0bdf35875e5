// The explorer as a person uses it, against what the native program predicts for the same bundle.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { modelWorker, withPage } from './browser.mjs';
import { ROOT, readPredictions, writeBundles } from './bundles.mjs';
import { assertClose, finished, readMolecule } from './shown.mjs';
import { serveFolders } from './site.mjs';

const SCREENSHOTS = join(ROOT, 'tests/screenshots');

let bundles;
let site;
let expected;

before(async () => {
  bundles = writeBundles();
  expected = readPredictions(bundles.file('predictions.csv'));
  site = await serveFolders([join(ROOT, 'dist'), bundles.folder]);
  mkdirSync(SCREENSHOTS, { recursive: true });
});

after(() => {
  site?.close();
  bundles?.remove();
});

/** Opens the page on the good bundle. */
async function openBundle(page, query = '') {
  await page.goto(`${site.address}?bundle=model.optimil${query}`);
  await page.locator('#bundle-name').waitFor();
}

function assertSame(shown, native) {
  assert.deepEqual(shown.conformers, native.conformers, `${shown.id} conformers`);
  assert.equal(shown.attention.length, native.attention.length, `${shown.id} tasks`);
  assert.ok(shown.probabilityStd.concat(...shown.attentionStd).every((std) => std === null), 'one model has no spread');
  return Math.max(
    assertClose(shown.probabilities, native.probabilities, `${shown.id} probabilities`),
    ...native.attention.map((weights, task) =>
      assertClose(shown.attention[task], weights, `${shown.id} attention of task ${task}`),
    ),
  );
}

/** Walks through the whole table by keyboard and compares every molecule with the native program. */
async function compareAll(page) {
  const total = await page.evaluate(() => Number(document.querySelector('[role=grid]').ariaRowCount) - 1);
  assert.equal(total, expected.size, 'as many molecules as the native program predicts');
  const seen = new Set();
  let largest = 0;
  await page.locator('#molecules').focus();
  await page.keyboard.press('Home');
  for (let row = 0; row < total; row += 1) {
    await page.locator(`tr[aria-rowindex="${row + 2}"][aria-selected=true]`).waitFor();
    const shown = await readMolecule(page);
    assert.ok(expected.has(shown.id), `${shown.id} is one of the predicted molecules`);
    largest = Math.max(largest, assertSame(shown, expected.get(shown.id)));
    seen.add(shown.id);
    await page.keyboard.press('ArrowDown');
  }
  assert.equal(seen.size, total, 'every row shows another molecule');
  console.log(`${total} molecules, largest difference ${largest.toExponential(1)}`);
}

test('on the CPU every molecule has the probabilities and attention of the native program', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await openBundle(page);
    await finished(page);
    assert.equal(await page.locator('#status').getAttribute('data-device'), 'cpu');
    assert.match(await page.locator('#status').textContent(), /no WebGPU adapter/);
    await compareAll(page);
  });
});

test('on WebGPU every molecule has the probabilities and attention of the native program', async () => {
  await withPage({ webgpu: true, origin: site.origin }, async (page) => {
    await openBundle(page, '&device=webgpu');
    await finished(page);
    assert.equal(await page.locator('#status').getAttribute('data-device'), 'webgpu');
    await compareAll(page);
  });
});

test('molecules with the fewest and the most conformers are found by ID', async () => {
  const bySize = [...expected].sort(([, a], [, b]) => a.conformers.length - b.conformers.length);
  const extremes = [bySize[0], bySize.at(-1)];
  assert.equal(extremes[0][1].conformers.length, 1);
  await withPage({ origin: site.origin }, async (page) => {
    await openBundle(page, '&device=cpu');
    await finished(page);
    for (const [id, native] of extremes) {
      await page.locator('#search').fill(id);
      await page.locator('#selected', { hasText: id }).waitFor();
      assertSame(await readMolecule(page), native);
    }
    await page.locator('#search').fill('no such molecule');
    await page.getByText('0 shown').waitFor();
  });
});

test('the device can be changed while the page is open', async () => {
  await withPage({ webgpu: true, origin: site.origin }, async (page) => {
    await openBundle(page, '&device=cpu');
    await page.locator('#status[data-device=cpu]').waitFor();
    await page.locator('#device').selectOption('webgpu');
    await page.locator('#status[data-device=webgpu]').waitFor({ timeout: 300_000 });
  });
});

test('where the adapter is hardware, both devices are measured and the faster one runs', async () => {
  await withPage({ webgpu: true, origin: site.origin }, async (page) => {
    // Chromium's software adapter, made to look like hardware.
    await page.context().route('**/start-model.js', async (route) => {
      const disguise = "Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get: () => false });";
      const response = await route.fetch();
      await route.fulfill({ response, body: `${disguise}\n${await response.text()}` });
    });
    await openBundle(page, '&device=auto');
    await page.locator('#status[data-device]', { hasText: /the faster one, \d+ ms/ }).waitFor({ timeout: 300_000 });
  });
});

for (const [file, words] of [
  ['truncated.optimil', /incomplete or damaged/],
  ['tampered.optimil', /weights.safetensors/],
  ['picture.optimil', /not an Optimil model bundle/],
  ['foreign.zip', /not an Optimil model bundle/],
  ['newer.optimil', /use a newer version/],
  ['huge.optimil', /a page can hold/],
]) {
  test(`${file} is turned down in a sentence, and the bundle before it stays`, async () => {
    await withPage({ origin: site.origin }, async (page) => {
      await openBundle(page, '&device=cpu');
      await finished(page);
      await page.locator('#file').setInputFiles(bundles.file(file));
      await page.locator('#trouble', { hasText: words }).waitFor();
      assert.match(await page.locator('#trouble').textContent(), new RegExp(file.replace('.', '\\.')));
      await page.locator('#bundle-name', { hasText: 'model.optimil' }).waitFor();
      await finished(page);
      await page.getByRole('button', { name: 'Dismiss' }).click();
      await page.locator('#molecules').press('End');
      await page.locator('#attention').waitFor();
    });
  });
}

test('a bundle without molecules says so and shows its model', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await page.goto(`${site.address}?bundle=alone.optimil`);
    await page.getByText('No molecules in this bundle').waitFor();
    await page.locator('#model-card').getByText('Transmittance_340', { exact: true }).waitFor();
    assert.equal(page.workers().length, 0, 'no model is loaded for nothing');
  });
});

test('an address that leads nowhere is said, and a file can still be opened', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    // The browser itself logs the missing file; that is the only error that this page may have.
    page.removeAllListeners('console');
    await page.goto(`${site.address}?bundle=nothing.optimil&device=cpu`);
    await page.locator('#trouble', { hasText: '404' }).waitFor();
    await page.locator('#file').setInputFiles(bundles.file('model.optimil'));
    await finished(page);
    assert.equal(await page.locator('#trouble').textContent(), '');
  });
});

test('a bundle of another site is not asked for', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await page.goto(`${site.address}?bundle=https://example.org/model.optimil`);
    await page.locator('#trouble', { hasText: 'another site' }).waitFor();
  });
});

test('a bundle can be dropped on the page', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await page.goto(`${site.address}?device=cpu`);
    await page.getByText('Open a model bundle').waitFor();
    const data = await page.evaluateHandle(async () => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([await (await fetch('model.optimil')).blob()], 'dropped.optimil'));
      return transfer;
    });
    await page.locator('.page').dispatchEvent('drop', { dataTransfer: data });
    await page.locator('#bundle-name', { hasText: 'dropped.optimil' }).waitFor();
    await finished(page);
  });
});

test('a worker that falls over is replaced by one on the CPU', async () => {
  await withPage({ webgpu: true, origin: site.origin }, async (page) => {
    page.removeAllListeners('pageerror');
    page.removeAllListeners('console');
    await openBundle(page, '&device=webgpu');
    await page.locator('#status[data-device=webgpu]').waitFor({ timeout: 300_000 });
    await modelWorker(page).evaluate(() => {
      setTimeout(() => {
        throw new Error('the device is lost');
      });
    });
    await page.locator('#status[data-device=cpu]', { hasText: 'the device is lost' }).waitFor();
    await finished(page);
  });
});

test('screenshots, and the times from opening the page', async () => {
  for (const [name, width, height, colorScheme] of [
    ['light', 1440, 900, 'light'],
    ['dark', 1440, 900, 'dark'],
    ['narrow', 360, 780, 'light'],
  ]) {
    const options = { origin: site.origin, viewport: { width, height }, colorScheme };
    await withPage(options, async (page) => {
      await page.goto(`${site.address}?device=cpu`);
      await page.getByText('Open a model bundle').waitFor();
      await page.screenshot({ path: join(SCREENSHOTS, `${name}-empty.png`) });
      await openBundle(page, '&device=cpu');
      await finished(page);
      const firstRows = [...expected].slice(0, 10).sort(([, a], [, b]) => b.conformers.length - a.conformers.length);
      await page.locator('#molecules').getByText(firstRows[0][0]).click();
      await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.ok(!wide, `${name}: the page is wider than its window`);
      const times = await page.evaluate(() =>
        Object.fromEntries(performance.getEntriesByType('mark').map((mark) => [mark.name, mark.startTime])),
      );
      console.log(`${name}: table after ${times.table.toFixed(0)} ms, first prediction after ${times.prediction.toFixed(0)} ms`);
    });
  }
});
