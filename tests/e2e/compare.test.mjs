// Two bundles side by side, against what the native program predicts with each.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { examine } from './axe.mjs';
import { runsModel, withPage } from './browser.mjs';
import { OPTIMIL, ROOT, readPredictions, inputsOfTrained, writeBundles, writeTrained } from './bundles.mjs';
import { serveFolders } from './site.mjs';

const SCREENSHOTS = join(ROOT, 'tests/screenshots');

let bundles;
let trained;
let site;
/** Predictions of the first and of the second model. */
let native;

before(async () => {
  bundles = writeBundles();
  trained = writeTrained();
  native = ['first', 'second'].map((name) => {
    const out = trained.file(`${name}.csv`);
    const words = [...inputsOfTrained(), '--split', 'leaderboard', '--device', 'cpu', '-o', out];
    execFileSync(OPTIMIL, ['predict', trained.file(`${name}.optimil`), ...words], { stdio: ['ignore', 'ignore', 'inherit'] });
    return readPredictions(out);
  });
  site = await serveFolders([join(ROOT, 'dist'), trained.folder, bundles.folder]);
  mkdirSync(SCREENSHOTS, { recursive: true });
});

after(() => {
  site?.close();
  trained?.remove();
  bundles?.remove();
});

const TASKS = ['Absorbs_near_uv', 'Absorbs_blue_or_redder', 'Fluoresces_below_480', 'Fluoresces_above_560'];

const open = (page, { a = 'first.optimil', b = 'second.optimil', view = '' } = {}) =>
  page.goto(`${site.address}?bundle=${a}${b ? `&compare=${b}` : ''}&device=cpu#v=1&show=compare${view}`);

const compared = (page) => page.locator('.compare-page[aria-busy=false]').waitFor({ timeout: 120_000 });

function close(found, wanted, what, tolerance = 2e-5) {
  assert.ok(found !== null && Math.abs(Number(found) - wanted) <= tolerance, `${what}: ${found} in the page, ${wanted} natively`);
}

/** Ranks from 1, ties sharing their mean. */
function ranks(values) {
  const order = values.map((value, at) => [value, at]).sort(([a], [b]) => a - b);
  const found = new Array(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && order[end][0] === order[start][0]) end += 1;
    for (let at = start; at < end; at += 1) found[order[at][1]] = (start + end + 1) / 2;
    start = end;
  }
  return found;
}

/** Spearman's rank correlation. */
function spearman(a, b) {
  const [x, y] = [ranks(a), ranks(b)];
  const mean = (a.length + 1) / 2;
  const sum = (u, v) => u.reduce((total, value, at) => total + (value - mean) * (v[at] - mean), 0);
  return sum(x, y) / Math.sqrt(sum(x, x) * sum(y, y));
}

test('over all molecules: rank correlation, differences, and every molecule in the scatter plot', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await open(page);
    await compared(page);
    const ids = [...native[0].keys()];
    await page.locator('#compare-facts', { hasText: `${ids.length} molecules of the same ID; 0 in A alone, 0 in B alone` }).waitFor();
    await page.locator('#compare-facts', { hasText: 'Both see the same features' }).waitFor();
    for (const [task, name] of TASKS.entries()) {
      const [a, b] = native.map((predictions) => ids.map((id) => predictions.get(id).probabilities[task]));
      const row = page.locator('#compare-tasks tbody tr').nth(task);
      // Near-ties may change places.
      close(await row.locator('.rank').getAttribute('data-value'), spearman(a, b), `${name}: rank correlation`, 1e-3);
      const distance = a.reduce((sum, value, at) => sum + Math.abs(b[at] - value), 0) / ids.length;
      close(await row.locator('.distance').getAttribute('data-value'), distance, `${name}: mean distance`);
      await row.locator('input').check();
      assert.equal(await page.locator('#compare-charts circle').count(), ids.length);
      const first = page.locator('#compare-farthest tbody tr').first();
      const farthest = Math.max(...a.map((value, at) => Math.abs(b[at] - value)));
      close(Math.abs(await first.locator('.difference').getAttribute('data-value')), farthest, `${name}: largest difference`);
    }
  });
});

test('of one molecule: probabilities, effective conformers, attention of both', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await open(page);
    await compared(page);
    for (const at of [0, 3]) {
      await page.locator('#compare-farthest button').nth(at).click();
      const id = await page.locator('#compare-molecule').textContent();
      const [a, b] = native.map((predictions) => predictions.get(id));
      for (const [task, name] of TASKS.entries()) {
        const row = page.locator('#compare-molecule-tasks tbody tr').nth(task);
        close(await row.locator('.a').getAttribute('data-value'), a.probabilities[task], `${id}, ${name}: A`);
        close(await row.locator('.b').getAttribute('data-value'), b.probabilities[task], `${id}, ${name}: B`);
        const words = await row.locator('td').nth(3).textContent();
        const effective = Math.exp(-a.attention[task].reduce((sum, w) => sum + (w > 0 ? w * Math.log(w) : 0), 0));
        assert.equal(words, `${effective.toFixed(1)} of ${a.conformers.length}`);
        for (const [side, of] of [a, b].entries()) {
          const cells = page.locator('#compare-attention tbody tr').nth(2 * task + side).locator('td');
          const shown = await cells.evaluateAll((cells) => cells.map((cell) => Number(cell.dataset.value)));
          assert.equal(shown.length, of.conformers.length);
          shown.forEach((weight, conformer) => close(weight, of.attention[task][conformer], `${id}, ${name}, attention`));
        }
      }
    }
  });
});

test('a point of the scatter plot leads to its molecule, by keyboard too, and the link restores the comparison', async () => {
  await withPage({ origin: site.origin, viewport: { width: 1440, height: 1400 } }, async (page) => {
    await open(page);
    await compared(page);
    const figure = page.locator('#compare-charts .figure');
    await figure.focus();
    await page.keyboard.press('End');
    const [id] = (await figure.locator('.read-out').textContent()).split(':');
    await page.keyboard.press('Enter');
    await page.locator('#compare-molecule', { hasText: id }).waitFor();
    await page.waitForFunction((id) => location.hash.includes(`molecule=${id}`), id);
    const link = page.url();
    await page.goto('about:blank');
    await page.goto(link);
    await compared(page);
    await page.locator('#compare-molecule', { hasText: id }).waitFor();
    await page.getByRole('button', { name: 'End the comparison' }).click();
    await page.getByText('Compare with a second model').waitFor();
    assert.ok(!page.url().includes('compare=second'));
  });
});

test('bundles of other tasks and molecules say what differs', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await open(page, { b: null });
    await page.getByText('Compare with a second model').waitFor();
    await page.locator('#file-beside').setInputFiles(bundles.file('model.optimil'));
    await page.locator('#compare-facts', { hasText: 'in B alone: Transmittance_340' }).waitFor();
    await page.getByText('no task of the same name').waitFor();
    // A file that is no bundle leaves the comparison as it is.
    await page.locator('#file-beside').setInputFiles(bundles.file('picture.optimil'));
    await page.locator('#trouble', { hasText: 'not an Optimil model bundle' }).waitFor();
    await page.getByText('no task of the same name').waitFor();
    await page.locator('#file-beside').setInputFiles(trained.file('second.optimil'));
    await compared(page);
    // One whose weights are damaged is put away, with the reason.
    await page.locator('#file-beside').setInputFiles(bundles.file('tampered.optimil'));
    await page.locator('#trouble', { hasText: 'weights.safetensors' }).waitFor();
    await page.getByText('Compare with a second model').waitFor();
    await page.locator('#bundle-name', { hasText: 'first.optimil' }).waitFor();
  });
});

test('the second model has no worker any more when all is predicted', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await open(page);
    await compared(page);
    await page.waitForFunction(() => true);
    const models = () => page.workers().filter(runsModel).length;
    for (let wait = 0; models() > 1 && wait < 50; wait += 1) await page.waitForTimeout(100);
    assert.equal(models(), 1);
  });
});

test('screenshots', async () => {
  for (const [name, width, height, colorScheme] of [
    ['compare-light', 1440, 900, 'light'],
    ['compare-dark', 1440, 900, 'dark'],
    ['compare-tablet', 768, 1024, 'light'],
    ['compare-narrow', 360, 780, 'light'],
    ['compare-narrow-dark', 360, 780, 'dark'],
  ]) {
    await withPage({ origin: site.origin, viewport: { width, height }, colorScheme }, async (page) => {
      await open(page, { b: null });
      await page.getByText('Compare with a second model').waitFor();
      await page.screenshot({ path: join(SCREENSHOTS, `${name}-empty.png`) });
      await page.goto('about:blank');
      await open(page);
      await compared(page);
      await page.locator('#compare-farthest button').first().click();
      await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
      await examine(page, name);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.ok(!wide, `${name}: the page is wider than its window`);
    });
  }
});
