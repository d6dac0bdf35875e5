// The view in the page's address: links, the browser's back and forward, and the way between the screens.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { withPage } from './browser.mjs';
import { ROOT, readPredictions, writeBundles } from './bundles.mjs';
import { finished } from './shown.mjs';
import { serveFolders } from './site.mjs';

let bundles;
let site;
let molecule;

before(async () => {
  bundles = writeBundles();
  const predictions = [...readPredictions(bundles.file('predictions.csv'))];
  [molecule] = predictions.map(([id, { conformers }]) => ({ id, conformers })).sort((a, b) => b.conformers.length - a.conformers.length);
  site = await serveFolders([join(ROOT, 'dist'), bundles.folder]);
});

after(() => {
  site?.close();
  bundles?.remove();
});

const address = (fragment = '') => `${site.address}?bundle=model.optimil&device=cpu${fragment}`;
const screen = (page, name) => page.getByRole('navigation').getByRole('link', { name, exact: true });
const isInFront = (page, name) => page.locator('nav a[aria-current=page]', { hasText: new RegExp(`^${name}$`) }).waitFor();
const box = (page, conformer) => page.locator('#truth-conformers input').nth(conformer);

/** What the page shows, as far as a link restores it. */
async function shown(page) {
  await page.locator('#truth .tests[aria-busy=false]').waitFor();
  return page.evaluate(() => ({
    screen: document.querySelector('nav a[aria-current=page]').textContent,
    molecule: document.querySelector('#selected').textContent,
    task: document.querySelector('#truth h4').textContent,
    on: [...document.querySelectorAll('#truth-conformers input')].map((input) => input.checked),
    search: document.querySelector('#search').value,
  }));
}

test('a copied link restores the view in another browser', async () => {
  let link;
  let before;
  await withPage({ origin: site.origin, permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
    await page.goto(address());
    await finished(page);
    await page.locator('#search').fill(molecule.id);
    await page.locator('#truth-tasks input').nth(2).check();
    await box(page, 1).uncheck();
    await page.locator('#truth .tests[aria-busy=false]').waitFor();
    await screen(page, 'Molecule').click();
    await isInFront(page, 'Molecule');
    before = await shown(page);
    assert.deepEqual([before.screen, before.molecule, before.search], ['Molecule', molecule.id, molecule.id]);
    assert.deepEqual(before.on, molecule.conformers.map((_, index) => index !== 1));
    await page.locator('#copy-link').click();
    await page.getByText('Copied.').waitFor();
    link = await page.evaluate(() => navigator.clipboard.readText());
  });
  await withPage({ origin: site.origin }, async (page) => {
    await page.goto(link);
    await finished(page);
    assert.deepEqual(await shown(page), before);
  });
});

test('back and forward go between the screens, and small changes are no steps', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await page.goto(address());
    await isInFront(page, 'Molecules');
    const first = await page.locator('#selected').textContent();
    await page.locator('#molecules').press('ArrowDown');
    await page.locator('#molecules').press('ArrowDown');
    await page.waitForURL(/molecule=/);
    const third = await page.locator('#selected').textContent();
    assert.notEqual(third, first);
    await screen(page, 'Model').click();
    await page.locator('#model-card').waitFor();
    await screen(page, 'Molecule').click();
    await isInFront(page, 'Molecule');
    await page.goBack();
    await isInFront(page, 'Model');
    await page.goBack();
    await isInFront(page, 'Molecules');
    assert.equal(await page.locator('#selected').textContent(), third);
    await page.goForward();
    await isInFront(page, 'Model');
  });
});

test('a link without a bundle waits for the file, and another file starts afresh', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await page.goto(`${site.address}?device=cpu#v=1&show=molecule&molecule=${encodeURIComponent(molecule.id)}`);
    await page.locator('#file').setInputFiles(bundles.file('model.optimil'));
    await isInFront(page, 'Molecule');
    assert.equal(await page.locator('#selected').textContent(), molecule.id);
    await page.locator('#copy-link').click();
    await page.getByRole('button', { name: 'Copy link' }).waitFor();
    await page.locator('#file').setInputFiles(bundles.file('model.optimil'));
    await isInFront(page, 'Molecules');
    assert.notEqual(await page.locator('#selected').textContent(), molecule.id);
  });
});

test('the address names the bundle only while it is the one that is open', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await page.goto(address());
    await page.locator('#bundle-name').waitFor();
    await page.locator('#file').setInputFiles(bundles.file('model.optimil'));
    await page.waitForURL((url) => !url.searchParams.has('bundle') && url.searchParams.get('device') === 'cpu');
  });
});

test('links of unknown words, of other bundles and damaged ones show what they can', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await page.goto(address('#v=9&colour=red&show=nowhere&molecule=none&task=none&off=none&range=x&search=%zz'));
    await isInFront(page, 'Molecules');
    await page.locator('#search').fill('');
    await page.locator('#selected').waitFor();
  });
});

test('a row opens its molecule: by key, by double click, and by a tap where there is no room beside the table', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await page.goto(address());
    await page.locator('#molecules').press('Enter');
    await isInFront(page, 'Molecule');
    await page.goBack();
    await page.locator('#molecules tbody th').nth(3).dblclick();
    await isInFront(page, 'Molecule');
  });
  await withPage({ origin: site.origin, viewport: { width: 360, height: 780 } }, async (page) => {
    await page.goto(address());
    const row = page.locator('#molecules tbody th').nth(3);
    const id = await row.textContent();
    await row.click();
    await isInFront(page, 'Molecule');
    assert.equal(await page.locator('#selected').textContent(), id);
  });
});
