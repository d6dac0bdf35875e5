// One molecule: its structure.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { withPage } from './browser.mjs';
import { ROOT, readPredictions, writeMolecules } from './bundles.mjs';
import { finished } from './shown.mjs';
import { serveFolders } from './site.mjs';

const SCREENSHOTS = join(ROOT, 'tests/screenshots');

let bundles;
let site;
let expected;

before(async () => {
  bundles = writeMolecules();
  expected = [...readPredictions(bundles.file('predictions.csv'))];
  expected.sort(([, a], [, b]) => b.conformers.length - a.conformers.length);
  site = await serveFolders([join(ROOT, 'dist'), bundles.folder]);
  mkdirSync(SCREENSHOTS, { recursive: true });
});

after(() => {
  site?.close();
  bundles?.remove();
});

const address = (fragment = '', bundle = 'model.optimil') =>
  `${site.address}?bundle=${bundle}&device=cpu#v=1&${fragment}`;
const molecule = (id) => `show=molecule&molecule=${encodeURIComponent(id)}`;
const formula = (page) => page.locator('.formula .structure');

test('a molecule has its structure, drawn by a program that comes later', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    const [, aniline] = bundles.molecules.map(({ id, smiles }) => ({ id, smiles })).filter(({ smiles }) => /N\(C\)C/.test(smiles));
    await page.goto(address(molecule(aniline.id)));
    await formula(page).locator('svg').waitFor();
    const drawn = await formula(page).evaluate((place) => ({
      bonds: place.querySelectorAll('path').length,
      labels: [...place.querySelectorAll('text')].map((text) => text.textContent),
      role: place.querySelector('[role=img]').getAttribute('aria-label'),
      inside: place.querySelector('svg').getBoundingClientRect().width <= place.getBoundingClientRect().width + 1,
    }));
    assert.ok(drawn.bonds > 5 && drawn.labels.includes('N') && drawn.inside, JSON.stringify(drawn));
    assert.match(drawn.role, /Structure of/);
  });
});

test('a SMILES that cannot be drawn is told in a sentence, and all others are drawn', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    const [unclosed, large, third] = bundles.molecules;
    await page.goto(address(molecule(unclosed.id), 'odd.optimil'));
    await formula(page).getByText('This SMILES cannot be drawn: unmatched ring closure 1').waitFor();
    await page.goto(address(molecule(large.id), 'odd.optimil'));
    await formula(page).getByText('it has 401 atoms').waitFor();
    await page.goto(address(molecule(third.id), 'odd.optimil'));
    await formula(page).locator('svg').waitFor();
  });
});

test('without the program that draws the page goes on', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await page.context().route('**/depiction_bg.wasm', (route) => route.fulfill({ status: 200, body: 'no wasm' }));
    await page.goto(address(molecule(bundles.molecules[2].id)));
    await formula(page).getByText('the program that draws cannot be loaded').waitFor();
    await finished(page);
  });
});

test('screenshots', async () => {
  const [id] = expected[0];
  for (const [name, width, height, colorScheme] of [
    ['molecule-1440-light', 1440, 900, 'light'],
    ['molecule-1440-dark', 1440, 900, 'dark'],
    ['molecule-768-light', 768, 1024, 'light'],
    ['molecule-360-dark', 360, 780, 'dark'],
  ]) {
    await withPage({ origin: site.origin, viewport: { width, height }, colorScheme }, async (page) => {
      await page.goto(address(molecule(id)));
      await finished(page);
      await formula(page).locator('svg').waitFor();
      await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.ok(!wide, `${name}: the page is wider than its window`);
    });
  }
});
