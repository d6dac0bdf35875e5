// The table of molecules: order, ranges, pinned rows, columns and export, against what the native program predicts.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { withPage } from './browser.mjs';
import { ROOT, readPredictions, writeBundles } from './bundles.mjs';
import { finished } from './shown.mjs';
import { serveFolders } from './site.mjs';

const SCREENSHOTS = join(ROOT, 'tests/screenshots');
const TASK = 'Transmittance_340';

let bundles;
let site;
let expected;

before(async () => {
  bundles = writeBundles();
  expected = [...readPredictions(bundles.file('predictions.csv'))].map(([id, molecule]) => ({ id, ...molecule }));
  site = await serveFolders([join(ROOT, 'dist'), bundles.folder]);
  mkdirSync(SCREENSHOTS, { recursive: true });
});

after(() => {
  site?.close();
  bundles?.remove();
});

async function openTable(page, fragment = '') {
  await page.goto(`${site.address}?bundle=model.optimil&device=cpu${fragment}`);
  await finished(page);
}

const heading = (page, name) => page.locator('#molecules thead th').filter({ has: page.getByRole('button', { name, exact: true }) });
const sortButton = (page, name) => heading(page, name).locator('.sort');
const order = (page) => page.locator('#molecules tbody:not(.pinned) th span').allTextContents();
const count = (page, text) => page.locator('#count', { hasText: text }).waitFor();
const probability = ({ probabilities }) => probabilities[0];

/** Effective number of conformers, the mean over the tasks. */
function effective({ attention }) {
  const entropy = (weights) => weights.reduce((sum, weight) => (weight > 0 ? sum - weight * Math.log(weight) : sum), 0);
  return attention.reduce((sum, weights) => sum + Math.exp(entropy(weights)), 0) / attention.length;
}

test('a heading sorts: largest first, smallest first, and as in the bundle', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await openTable(page);
    const button = sortButton(page, TASK);
    const sorted = expected.toSorted((a, b) => probability(b) - probability(a)).map(({ id }) => id);
    await button.click();
    await heading(page, TASK).and(page.locator('[aria-sort=descending]')).waitFor();
    assert.deepEqual((await order(page)).slice(0, 10), sorted.slice(0, 10));
    await button.press('Enter');
    await heading(page, TASK).and(page.locator('[aria-sort=ascending]')).waitFor();
    assert.deepEqual((await order(page)).slice(0, 10), sorted.toReversed().slice(0, 10));
    await button.press('Space');
    await heading(page, TASK).and(page.locator(':not([aria-sort])')).waitFor();
    assert.deepEqual((await order(page)).slice(0, 10), expected.slice(0, 10).map(({ id }) => id));
  });
});

test('ranges and search leave the molecules that they should, with a count, and a link keeps them', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await openTable(page);
    await page.getByRole('button', { name: 'Ranges' }).click();
    await page.getByRole('button', { name: 'Add a range' }).click();
    await page.getByLabel('from').fill('0.4');
    const likely = expected.filter((molecule) => probability(molecule) >= Math.fround(0.4));
    assert.ok(likely.length > 0 && likely.length < expected.length);
    await count(page, new RegExp(`^${likely.length} of ${expected.length} shown`));
    await page.getByRole('button', { name: 'Add a range' }).click();
    await page.getByLabel('Column').last().selectOption('Effective conformers');
    await page.getByLabel('to', { exact: true }).last().fill('1,5');
    const narrow = likely.filter((molecule) => effective(molecule) <= 1.5);
    await count(page, new RegExp(`^${narrow.length} of ${expected.length} shown`));
    await page.locator('#search').fill(narrow[0].id.slice(0, 6).toLowerCase());
    const found = narrow.filter(({ id }) => id.startsWith(narrow[0].id.slice(0, 6)));
    await count(page, new RegExp(`^${found.length} of ${expected.length} shown`));
    await page.waitForURL(/search=/);
    await page.reload();
    await finished(page);
    await count(page, new RegExp(`^${found.length} of ${expected.length} shown`));
    assert.equal(await page.getByLabel('from').first().inputValue(), '0.4');
    await page.getByLabel('from').first().fill('2');
    await page.getByText('No molecule matches').waitFor();
    await page.getByRole('button', { name: 'Clear search and ranges' }).click();
    await count(page, new RegExp(`^${expected.length} shown`));
  });
});

test('a bound that is no number is marked and changes nothing', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await openTable(page);
    await page.getByRole('button', { name: 'Ranges' }).click();
    await page.getByRole('button', { name: 'Add a range' }).click();
    await page.getByLabel('from').fill('much');
    await page.locator('input[aria-invalid=true]').waitFor();
    await count(page, new RegExp(`^${expected.length} shown`));
  });
});

test('pinned molecules stay at the head, whatever the order', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await openTable(page);
    const pinned = page.locator('#molecules tbody.pinned th span');
    await page.locator('#molecules').focus();
    await page.keyboard.press('End');
    await page.keyboard.press('p');
    await page.locator('#molecules').press('Home');
    const last = expected.at(-1).id;
    await page.locator(`tbody.pinned`, { hasText: last }).waitFor();
    await page.getByRole('button', { name: `Pin ${expected[2].id}`, exact: true }).click();
    assert.deepEqual(await pinned.allTextContents(), [last, expected[2].id]);
    await sortButton(page, TASK).click();
    await page.locator('#search').fill(expected[5].id);
    assert.deepEqual(await pinned.allTextContents(), [last, expected[2].id]);
    assert.deepEqual(await order(page), [expected[5].id]);
    await page.getByRole('button', { name: `Pin ${last}`, exact: true }).click();
    assert.deepEqual(await pinned.allTextContents(), [expected[2].id]);
  });
});

test('columns are chosen, and the CSV has the molecules and columns that are shown', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await openTable(page);
    await page.getByRole('button', { name: 'Columns' }).click();
    await page.getByRole('checkbox', { name: 'Split', exact: true }).uncheck();
    await page.getByLabel(`Known: ${TASK}`).check();
    await page.getByRole('checkbox', { name: 'Conformers', exact: true }).check();
    await heading(page, `Known: ${TASK}`).waitFor();
    assert.equal(await heading(page, 'Split').count(), 0);
    await sortButton(page, TASK).click();
    await page.locator('#search').fill('CHR00');
    const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#export-csv').click()]);
    assert.equal(download.suggestedFilename(), 'model.csv');
    const [header, ...lines] = readFileSync(await download.path(), 'utf8').trim().split('\r\n').map((line) => line.split(','));
    const rows = lines.map((line) => Object.fromEntries(header.map((name, at) => [name, line[at]])));
    const wanted = expected.filter(({ id }) => id.startsWith('CHR00')).sort((a, b) => probability(b) - probability(a));
    assert.deepEqual(rows.map((row) => row.id), wanted.map(({ id }) => id));
    assert.ok(header.includes('smiles') && !header.includes('split'));
    rows.forEach((row, at) => {
      const molecule = wanted[at];
      assert.ok(Math.abs(Number(row[`p ${TASK}`]) - probability(molecule)) < 1e-5);
      assert.ok(Math.abs(Number(row.effective) - effective(molecule)) < 1e-3);
      assert.equal(Number(row.conformers), molecule.conformers.length);
      assert.match(row[`known ${TASK}`], /^[01]?$/);
    });
  });
});

test('screenshots', async () => {
  for (const [name, width, height, colorScheme] of [
    ['table-light', 1440, 900, 'light'],
    ['table-dark', 1440, 900, 'dark'],
    ['table-tablet', 768, 1024, 'light'],
    ['table-narrow', 360, 780, 'light'],
    ['table-narrow-dark', 360, 780, 'dark'],
  ]) {
    await withPage({ origin: site.origin, viewport: { width, height }, colorScheme }, async (page) => {
      await openTable(page, `#v=1&down=p%20${TASK}&pin=${expected[3].id}&range=0.1..%20p%20${TASK}`);
      await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
      await page.getByRole('button', { name: 'Columns' }).click();
      await page.screenshot({ path: join(SCREENSHOTS, `${name}-columns.png`) });
      await page.locator('#search').fill('nothing like this');
      await page.screenshot({ path: join(SCREENSHOTS, `${name}-nothing.png`) });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.ok(!wide, `${name}: the page is wider than its window`);
    });
  }
});
