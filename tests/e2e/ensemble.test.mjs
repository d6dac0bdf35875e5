// A bundle of several models in the explorer: mean and spread, against what the native program predicts.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { withPage } from './browser.mjs';
import { ROOT, readPredictions, writeEnsemble } from './bundles.mjs';
import { assertClose, finished, readMolecule } from './shown.mjs';
import { serveFolders } from './site.mjs';

const SCREENSHOTS = join(ROOT, 'tests/screenshots');

let bundles;
let site;
let expected;

before(async () => {
  bundles = writeEnsemble();
  expected = readPredictions(bundles.file('predictions.csv'));
  site = await serveFolders([join(ROOT, 'dist'), bundles.folder]);
  mkdirSync(SCREENSHOTS, { recursive: true });
});

after(() => {
  site?.close();
  bundles?.remove();
});

const open = (page, query) => page.goto(`${site.address}?bundle=ensemble.optimil${query}`);

/** What the tooltips of the members' dots say, as numbers: [T][M]. */
const readMembers = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('#tasks td.members')].map((cell) =>
      cell.title.split(', ').map((words) => [words.replace(/ [^ ]+$/, ''), Number(words.split(' ').at(-1))]),
    ),
  );

for (const device of ['cpu', 'webgpu']) {
  test(`on ${device} means and spreads are those of the native program`, async () => {
    await withPage({ webgpu: device === 'webgpu', origin: site.origin }, async (page) => {
      await open(page, `&device=${device}`);
      await finished(page);
      assert.equal(await page.locator('#status').getAttribute('data-device'), device);
      assert.match(await page.locator('#status').textContent(), /131 molecules by 3 models/);
      await page.locator('#molecules').focus();
      await page.keyboard.press('Home');
      let largest = 0;
      for (let row = 0; row < expected.size; row += 1) {
        await page.locator(`tr[aria-rowindex="${row + 2}"][aria-selected=true]`).waitFor();
        const shown = await readMolecule(page);
        const native = expected.get(shown.id);
        assert.deepEqual(shown.conformers, native.conformers);
        largest = Math.max(
          largest,
          assertClose(shown.probabilities, native.probabilities, `${shown.id} probabilities`),
          assertClose(shown.probabilityStd, native.probabilityStd, `${shown.id} spread of the probabilities`),
          assertClose(shown.attention.flat(), native.attention.flat(), `${shown.id} attention`),
          assertClose(shown.attentionStd.flat(), native.attentionStd.flat(), `${shown.id} spread of the attention`),
        );
        await page.keyboard.press('ArrowDown');
      }
      console.log(`${expected.size} molecules of 3 models, largest difference ${largest.toExponential(1)}`);
    });
  });
}

test('every member is shown with its name, in the predictions and in the model card', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await open(page, '&device=cpu');
    await finished(page);
    const { id, probabilityStd } = await readMolecule(page);
    const shown = await readMembers(page);
    const native = expected.get(id);
    shown.forEach((task, index) => {
      assert.deepEqual(task.map(([name]) => name), ['seed 0', 'seed 1', 'seed 2']);
      task.forEach(([, probability], member) => {
        assert.ok(Math.abs(probability - native.members[member][index]) <= 5.1e-4, `${id}: member ${member}`);
      });
    });
    const words = `±\u00a0${probabilityStd[0].toFixed(3)}`;
    await page.locator('#tasks td.task').first().getByText(words).waitFor();
    assert.match(await page.locator('#tasks td.task').first().getAttribute('title'), /standard deviation/);
    await page.getByText('131 molecules, 3 models').waitFor();
    await page.getByRole('link', { name: 'Model', exact: true }).click();
    const names = await page.locator('#members tbody th').allTextContents();
    assert.deepEqual(names, ['seed 0', 'seed 1', 'seed 2']);
  });
});

test('a damaged member is named, and nothing of the ensemble is shown', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await page.goto(`${site.address}?bundle=tampered.optimil&device=cpu`);
    await page.locator('#trouble', { hasText: 'weights.1.safetensors' }).waitFor();
    await page.getByText('Open a model bundle').waitFor();
  });
});

test('screenshots', async () => {
  for (const [name, width, height, colorScheme] of [
    ['ensemble-light', 1440, 900, 'light'],
    ['ensemble-dark', 1440, 900, 'dark'],
    ['ensemble-narrow', 360, 780, 'light'],
  ]) {
    await withPage({ origin: site.origin, viewport: { width, height }, colorScheme }, async (page) => {
      await open(page, '&device=cpu');
      await finished(page);
      const firstRows = [...expected].slice(0, 10).sort(([, a], [, b]) => b.conformers.length - a.conformers.length);
      await page.locator('#molecules').getByText(firstRows[0][0]).click();
      await page.getByRole('link', { name: 'Model', exact: true }).click();
      await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.ok(!wide, `${name}: the page is wider than its window`);
    });
  }
});
