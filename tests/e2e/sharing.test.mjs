// What a person takes along of a molecule, against what the native program says of it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { launch, withPage } from './browser.mjs';
import { ROOT, readPredictions, readTasks, writeMolecules } from './bundles.mjs';
import { assertClose, finished } from './shown.mjs';
import { serveFolders } from './site.mjs';

const SCREENSHOTS = join(ROOT, 'tests/screenshots');
const PYTHON = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'python/rdkit/bin/python');

let bundles;
let site;
let id;
let native;
let tasks;

before(async () => {
  bundles = writeMolecules();
  const predictions = [...readPredictions(bundles.file('predictions.csv'))];
  [[id, native]] = predictions.sort(([, a], [, b]) => b.conformers.length - a.conformers.length);
  tasks = readTasks(bundles.file('predictions.csv'));
  site = await serveFolders([join(ROOT, 'dist'), bundles.folder]);
});

after(() => {
  site?.close();
  bundles?.remove();
});

/** Presses a button of the molecule's page; the path of the file that the browser saved. */
async function saved(page, button) {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.locator('#sharing').getByRole('button', { name: button }).click(),
  ]);
  assert.match(download.suggestedFilename(), new RegExp(`^${id}-`));
  const path = bundles.file(download.suggestedFilename());
  await download.saveAs(path);
  return path;
}

async function withMolecule(use) {
  await withPage({ origin: site.origin, acceptDownloads: true }, async (page) => {
    await page.goto(`${site.address}?bundle=model.optimil&device=cpu#v=1&show=molecule&molecule=${encodeURIComponent(id)}`);
    await finished(page);
    await page.locator('.formula svg').waitFor();
    await use(page);
  });
}

test('the figure is SVG with every weight, and a PNG three times as large', async () => {
  await withMolecule(async (page) => {
    const svg = readFileSync(await saved(page, 'Figure (SVG)'), 'utf8');
    const read = await page.evaluate((text) => {
      const figure = new DOMParser().parseFromString(text, 'image/svg+xml');
      return {
        errors: figure.querySelectorAll('parsererror').length,
        weights: [...figure.querySelectorAll('.weight')].map((cell) => Number(cell.dataset.value)),
        texts: [...figure.querySelectorAll('text')].map((text) => text.textContent),
        bonds: figure.querySelectorAll('#structure path').length,
        size: [figure.documentElement.getAttribute('width'), figure.documentElement.getAttribute('height')].map(Number),
      };
    }, svg);
    assert.equal(read.errors, 0);
    assertClose(read.weights, native.attention.flat(), 'weights of the figure');
    assert.ok(read.texts.includes(id) && read.bonds > 5);
    tasks.forEach((task) => assert.ok(read.texts.some((text) => text.startsWith(`${task} (`)), task));
    const png = readFileSync(await saved(page, 'Figure (PNG)'));
    assert.equal(png.toString('latin1', 1, 4), 'PNG');
    assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], read.size.map((pixels) => 3 * pixels));
  });
});

test('the table has the columns and numbers of the native program', async () => {
  await withMolecule(async (page) => {
    const shown = readPredictions(await saved(page, 'Attention (CSV)'));
    assert.deepEqual([...shown.keys()], [id]);
    const own = shown.get(id);
    assert.deepEqual(own.conformers, native.conformers);
    assertClose(own.probabilities, native.probabilities, 'probabilities');
    native.attention.forEach((weights, task) => assertClose(own.attention[task], weights, `attention of task ${task}`));
  });
});

test('the page of a molecule opens from a file in another browser, and shows the numbers', async () => {
  let file;
  await withMolecule(async (page) => {
    file = await saved(page, 'Page (HTML)');
  });
  const browser = await launch({ webgpu: false });
  try {
    const page = await browser.newPage({ viewport: { width: 1000, height: 900 } });
    const faults = [];
    page.on('request', (request) => {
      if (request.url() !== pathToFileURL(file).href) faults.push(request.url());
    });
    page.on('console', (message) => faults.push(message.text()));
    await page.goto(pathToFileURL(file).href);
    assert.equal(await page.locator('h1').textContent(), id);
    const numbers = (selector) => page.locator(selector).evaluateAll((cells) => cells.map((cell) => Number(cell.textContent)));
    const rounded = (values) => values.map((value) => Number(value.toFixed(4)));
    const difference = (a, b) => Math.max(...a.map((value, index) => Math.abs(value - b[index])));
    const probabilities = await numbers('#predictions tbody td:nth-child(2)');
    assert.ok(difference(probabilities, rounded(native.probabilities)) < 1.5e-4);
    const attention = await numbers('#attention tbody td');
    const wanted = native.conformers.flatMap((_, conformer) => native.attention.map((weights) => weights[conformer]));
    assert.equal(attention.length, wanted.length);
    assert.ok(difference(attention, rounded(wanted)) < 1.5e-4);
    assert.ok((await page.locator('#structure path').count()) > 5);
    await page.screenshot({ path: join(SCREENSHOTS, 'shared-page.png'), fullPage: true });
    assert.deepEqual(faults, []);
  } finally {
    await browser.close();
  }
});

test('RDKit reads the conformers with their attention', { skip: !process.env.CI && !existsSync(PYTHON) && 'no RDKit: scripts/rdkit-env' }, async () => {
  await withMolecule(async (page) => {
    const file = await saved(page, 'Conformers (SDF)');
    const { smiles } = bundles.source.find((molecule) => molecule.id === id);
    const read = execFileSync(PYTHON, [join(import.meta.dirname, 'read_sdf.py'), file, smiles], { encoding: 'utf8' });
    const { molecules, wanted } = JSON.parse(read);
    assert.equal(molecules.length, native.conformers.length);
    molecules.forEach(({ smiles, is3d, properties }, conformer) => {
      assert.equal(smiles, wanted);
      assert.ok(is3d);
      assert.equal(properties.ID, id);
      assert.equal(String(properties.conf_id), native.conformers[conformer]);
      const attention = tasks.map((task) => properties[`attn_${task}`]);
      assertClose(attention, native.attention.map((weights) => weights[conformer]), `attention of conformer ${conformer}`);
      assertClose(tasks.map((task) => properties[`pred_${task}`]), native.probabilities, 'probabilities');
    });
    assert.ok(new Set(molecules.map(({ x }) => x)).size > 1, 'conformers differ');
  });
});
