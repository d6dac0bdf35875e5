// Structures in the table of molecules, and the SD file of the molecules that it shows.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { withPage } from './browser.mjs';
import { ROOT, readPredictions, readTasks, writeMolecules } from './bundles.mjs';
import { writeLargeBundle } from './large.mjs';
import { assertClose, finished } from './shown.mjs';
import { serveFolders } from './site.mjs';

const SCREENSHOTS = join(ROOT, 'tests/screenshots');
const PYTHON = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'python/rdkit/bin/python');
const TASK = 'Transmittance_340';
const MANY = 20_000;

let bundles;
let site;
let expected;
let tasks;

before(async () => {
  bundles = writeMolecules();
  expected = [...readPredictions(bundles.file('predictions.csv'))].map(([id, molecule]) => ({ id, ...molecule }));
  tasks = readTasks(bundles.file('predictions.csv'));
  writeLargeBundle(bundles.file('model.optimil'), bundles.file('many.optimil'), { count: MANY, deflate: true });
  site = await serveFolders([join(ROOT, 'dist'), bundles.folder]);
  mkdirSync(SCREENSHOTS, { recursive: true });
});

after(() => {
  site?.close();
  bundles?.remove();
});

const open = (page, fragment = '', bundle = 'model.optimil') =>
  page.goto(`${site.address}?bundle=${bundle}&device=cpu#v=1${fragment}`);

async function savedSdf(page) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#export-sdf').click()]);
  const path = bundles.file(`saved-${download.suggestedFilename()}`);
  await download.saveAs(path);
  return { name: download.suggestedFilename(), path };
}

/** The records of an SD file. */
const records = (text) => text.split('$$$$\n').slice(0, -1);

test(
  'RDKit reads the SD file of the molecules shown, in their order, with columns and attention',
  { skip: !process.env.CI && !existsSync(PYTHON) && 'no RDKit: scripts/rdkit-env' },
  async () => {
    await withPage({ origin: site.origin }, async (page) => {
      const down = encodeURIComponent(`p ${TASK}`);
      await open(page, `&down=${down}&search=CHR00&column=${encodeURIComponent(`known ${TASK}`)}&hide=split`);
      await finished(page);
      const probability = ({ probabilities }) => probabilities[0];
      const shown = expected.filter(({ id }) => id.startsWith('CHR00')).sort((a, b) => probability(b) - probability(a));
      await page.locator('#count', { hasText: `${shown.length} of` }).waitFor();
      const { name, path } = await savedSdf(page);
      assert.equal(name, 'model.sdf');
      const read = execFileSync(PYTHON, [join(import.meta.dirname, 'read_sdf.py'), path, 'C'], { maxBuffer: 1 << 28 });
      const { molecules } = JSON.parse(read);
      const wanted = shown.flatMap((molecule) => molecule.conformers.map((name, conformer) => ({ molecule, name, conformer })));
      assert.ok(wanted.length > shown.length);
      assert.deepEqual(
        molecules.map(({ properties }) => `${properties.ID} ${properties.conf_id}`),
        wanted.map(({ molecule, name }) => `${molecule.id} ${name}`),
      );
      molecules.forEach(({ properties, is3d }, at) => {
        const { molecule, conformer } = wanted[at];
        assert.ok(is3d && !('split' in properties));
        assertClose(tasks.map((task) => properties[`pred_${task}`]), molecule.probabilities, `probabilities of ${molecule.id}`);
        const weights = molecule.attention.map((of) => of[conformer]);
        assertClose(tasks.map((task) => properties[`attn_${task}`]), weights, `attention of ${molecule.id}`);
        assert.ok(properties.effective >= 1 && properties.effective <= molecule.conformers.length + 1e-3);
        assert.ok([undefined, 0, 1].includes(properties[`known_${TASK}`]));
      });
      assert.ok(molecules.some(({ properties }) => `known_${TASK}` in properties));
    });
  },
);

test('the SD file of many molecules is written while the page goes on, and can be stopped', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await open(page, '', 'many.optimil');
    await page.locator('#count', { hasText: '20,000 shown' }).waitFor({ timeout: 60_000 });
    const progress = page.locator('#sdf-progress progress');
    // The page's own thread neither reads the coordinates nor writes much at a time.
    await page.evaluate(() => {
      window.longest = 0;
      new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) window.longest = Math.max(window.longest, duration);
      }).observe({ entryTypes: ['longtask'] });
    });
    await page.locator('#export-sdf').click();
    await progress.waitFor({ timeout: 60_000 });
    await page.locator('#sdf-progress').getByRole('button', { name: 'Stop' }).click();
    await progress.waitFor({ state: 'detached' });
    const { path } = await savedSdf(page);
    console.log(`longest task while ${MANY} records are read and written: ${await page.evaluate(() => window.longest)} ms`);
    const all = records(readFileSync(path, 'utf8'));
    assert.equal(all.length, MANY);
    const id = (record) => /<ID>.*\n(.*)/.exec(record)[1];
    assert.deepEqual([all[0], all[1], all.at(-1)].map(id), ['MOL-0', 'MOL-7919', `MOL-${((MANY - 1) * 7919) % MANY}`]);
    await progress.waitFor({ state: 'detached' });
  });
});

const pictures = (page) => page.locator('#molecules tbody .structure:has(svg):visible');

test('structures are drawn in the rows of the window, wherever it is', async () => {
  await withPage({ origin: site.origin, viewport: { width: 1440, height: 900 } }, async (page) => {
    await open(page);
    await page.locator('#molecules tbody:not(.pinned) tr:nth-child(5) .structure svg').waitFor();
    await page.locator('#molecules').press('End');
    const last = page.locator('#molecules tbody:not(.pinned) tr:not(.spacer)').last();
    await last.locator('.structure svg').waitFor();
    assert.equal(await last.locator('.structure').getAttribute('aria-label'), `Structure of ${expected.at(-1).id}`);
    const inside = await pictures(page).evaluateAll((all) =>
      all.every((place) => place.querySelector('svg').getBoundingClientRect().height <= place.closest('tr').clientHeight),
    );
    assert.ok(inside, 'rows do not grow');
    // One row, one molecule: what is drawn belongs to the name beside it.
    await page.locator('#search').fill(expected[7].id);
    const row = page.locator('#molecules tbody:not(.pinned) tr:not(.spacer)');
    await row.locator('svg').waitFor();
    await page.locator('.formula svg').waitFor();
    // In a row all lines are one path.
    const lines = (place) =>
      place.locator('path').evaluateAll((all) => all.map((path) => path.getAttribute('d').match(/M[^M]*/g)).flat());
    assert.deepEqual(await lines(row), await lines(page.locator('.formula .structure')));
    await page.locator('#search').fill('');
    await page.getByRole('button', { name: 'Columns' }).click();
    await page.getByRole('checkbox', { name: 'Structure', exact: true }).uncheck();
    await pictures(page).first().waitFor({ state: 'detached' });
    await page.waitForURL(/hide=structure/);
  });
});

test('a structure that cannot be drawn says so; narrow windows have none unless asked', async () => {
  await withPage({ origin: site.origin, viewport: { width: 1440, height: 900 } }, async (page) => {
    await open(page, '', 'odd.optimil');
    // There are others of which there is nothing to draw, and they come in any order.
    const place = page.locator('#molecules tbody .structure', { hasText: 'not drawn' });
    await place.and(page.locator('[title*="cannot be drawn: unmatched ring closure"]')).first().waitFor();
  });
  await withPage({ origin: site.origin, viewport: { width: 360, height: 780 } }, async (page) => {
    await open(page);
    await page.locator('#molecules tbody th').first().waitFor();
    assert.equal(await page.locator('#molecules .structure').count(), 0);
    await page.getByRole('button', { name: 'Columns' }).click();
    await page.getByRole('checkbox', { name: 'Structure', exact: true }).check();
    await pictures(page).first().waitFor();
  });
});

test('each heading says what its column is, how it is computed, and where it misleads', async () => {
  await withPage({ origin: site.origin, viewport: { width: 1440, height: 900 } }, async (page) => {
    await open(page);
    const headings = page.locator('#molecules thead th');
    await headings.first().waitFor();
    for (const heading of await headings.all()) {
      await heading.locator('.help').click();
      const text = page.locator('.help-text:popover-open');
      await text.getByText('Computed:').waitFor();
      await text.getByText('Misleads:').waitFor();
      await page.keyboard.press('Escape');
      await text.waitFor({ state: 'detached' }).catch(() => {});
    }
    assert.equal(await page.locator('#molecules thead [aria-sort]').count(), 0, 'help does not sort');
  });
});

test('Page Down on the page of a molecule goes by the order of the table', async () => {
  await withPage({ origin: site.origin, viewport: { width: 1440, height: 900 } }, async (page) => {
    const shown = expected.filter(({ id }) => id.startsWith('CHR00'));
    const [first, second, third] = shown.sort((a, b) => b.probabilities[0] - a.probabilities[0]).map(({ id }) => id);
    const down = encodeURIComponent(`p ${TASK}`);
    await open(page, `&show=molecule&molecule=${first}&search=CHR00&down=${down}`);
    await finished(page);
    await page.locator('#weight-0-0').click();
    const selected = (id) => page.locator('#selected', { hasText: id }).waitFor();
    for (const id of [second, third]) {
      await page.keyboard.press('PageDown');
      await selected(id);
      await page.locator('#weight-0-0:focus').waitFor();
    }
    await page.keyboard.press('PageUp');
    await selected(second);
  });
});

test('screenshots', async () => {
  for (const [name, width, height, colorScheme] of [
    ['structures-1440-light', 1440, 900, 'light'],
    ['structures-1440-dark', 1440, 900, 'dark'],
    ['structures-768-light', 768, 1024, 'light'],
    ['structures-360-dark', 360, 780, 'dark'],
  ]) {
    await withPage({ origin: site.origin, viewport: { width, height }, colorScheme }, async (page) => {
      await open(page, `&column=structure&down=p%20${TASK}&pin=${expected[3].id}`);
      await finished(page);
      await page.locator('#molecules tbody:not(.pinned) tr:nth-child(6) .structure svg').waitFor();
      await page.getByRole('button', { name: 'Got it' }).click();
      await page.locator('.toolbar').scrollIntoViewIfNeeded();
      if (width < 500) await page.evaluate(() => document.querySelector('.molecules').scrollIntoView());
      await page.waitForTimeout(300);
      await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
      await page.locator('#molecules thead th').nth(1).locator('.help').click();
      await page.screenshot({ path: join(SCREENSHOTS, `${name}-help.png`) });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.ok(!wide, `${name}: the page is wider than its window`);
    });
  }
});
