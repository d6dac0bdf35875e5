// The truth test of attention, against what `optimil explain` says of the same molecules.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { withPage } from './browser.mjs';
import { ROOT, explainNatively, writeBundles, writeEnsemble } from './bundles.mjs';
import { finished } from './shown.mjs';
import { serveFolders } from './site.mjs';

const SCREENSHOTS = join(ROOT, 'tests/screenshots');

let bundles;
let ensemble;
let single;
let several;
let site;

before(async () => {
  bundles = writeBundles();
  ensemble = writeEnsemble();
  single = explainNatively(bundles, 'model.optimil');
  several = explainNatively(ensemble, 'ensemble.optimil');
  site = await serveFolders([join(ROOT, 'dist'), bundles.folder, ensemble.folder]);
  mkdirSync(SCREENSHOTS, { recursive: true });
});

after(() => {
  site?.close();
  bundles?.remove();
  ensemble?.remove();
});

const count = (molecule) => Number(molecule.tasks[0].conformers);

/** The first molecules of so many conformers and more; the largest first. */
const largest = (molecules, many) => [...molecules.values()].sort((a, b) => count(b) - count(a)).slice(0, many);

async function openBundle(page, bundle, device) {
  await page.goto(`${site.address}?bundle=${bundle}&device=${device}`);
  await finished(page);
}

async function select(page, { id, tasks }) {
  await page.locator('#search').fill(id);
  await page.locator('#selected', { hasText: id }).waitFor({ state: 'attached' });
  // In a narrow window it has the screen to itself.
  if (!(await page.locator('#selected').isVisible())) await page.locator('#search').press('Enter');
  await tested(page, Number(tasks[0].conformers));
}

/** Waits for the numbers of a molecule with so many conformers on. */
const tested = (page, on) =>
  page.locator(`#truth .tests[aria-busy=false][data-on="${on}"]`).waitFor({ timeout: 60_000 });

/** The numbers of the task that is looked at, and of all tasks; an empty cell is `null`. */
function readTests(page) {
  return page.evaluate(() => {
    const value = (cell) => (cell && 'value' in cell.dataset ? Number(cell.dataset.value) : null);
    const rows = (selector) => [...document.querySelectorAll(selector)];
    const curve = (name) => rows(`#truth circle[data-curve=${name}]`).map(value);
    const area = (name) => value(document.querySelector(`#truth-areas td[data-curve=${name}]`));
    const curves = ['deletion', 'insertion', 'random'];
    return {
      id: document.querySelector('#selected').textContent,
      task: document.querySelector('#truth h4').textContent,
      tasks: rows('#truth-tasks tbody tr').map((row) =>
        ['probability', 'uniform', 'effective', 'agreement'].map((name) => value(row.querySelector(`td.${name}`))),
      ),
      conformers: rows('#truth-conformers tbody tr').map((row) => [
        row.querySelector('th span').textContent,
        ...['weight', 'change', 'without'].map((name) => value(row.querySelector(`td.${name}`))),
      ]),
      curves: Object.fromEntries(curves.map((name) => [name, curve(name)])),
      areas: Object.fromEntries(curves.map((name) => [name, area(name)])),
    };
  });
}

function close(found, wanted, what, tolerance = 2e-5) {
  if (wanted === '') {
    assert.equal(found, null, `${what}: nothing natively`);
    return;
  }
  const difference = Math.abs(found - Number(wanted));
  assert.ok(found !== null && difference <= tolerance, `${what}: ${found} in the page, ${wanted} natively`);
}

/**
 * Whether two of the numbers are nearly as far apart as numbers that count as equal (`resolution`, as in `explain`):
 * whether they are then a tie hangs on the rounding of the device.
 */
function doubtful(numbers, resolution) {
  const sorted = numbers.map(Number).sort((a, b) => a - b);
  const gaps = sorted.slice(1).map((number, at) => number - sorted[at]);
  return gaps.some((gap) => gap > 0.3 * resolution && gap < 3 * resolution);
}

/** Compares all tests of the molecule that is shown; returns how many agreements could be compared. */
async function compare(page, native) {
  let agreements = 0;
  for (const [at, task] of native.tasks.entries()) {
    await page.locator('#truth-tasks input').nth(at).check();
    await page.locator('#truth h4', { hasText: task.task }).waitFor();
    const shown = await readTests(page);
    const what = `${native.id}, ${task.task}`;
    assert.equal(shown.id, native.id);
    const [probability, uniform, effective, agreement] = shown.tasks[at];
    close(probability, task.probability, `${what}: probability`);
    close(uniform, task.uniform_probability, `${what}: uniform attention`);
    close(effective, task.effective_conformers, `${what}: effective conformers`, 1e-3);
    const conformers = native.conformers.filter((row) => row.task === task.task);
    const noOrder = doubtful(conformers.map((row) => row.attention), 1e-6);
    if (!noOrder && !doubtful(conformers.map((row) => Math.abs(row.logit_change)), 1e-5)) {
      close(agreement, task.agreement, `${what}: agreement`, 1e-4);
      agreements += 1;
    }
    assert.equal(shown.conformers.length, conformers.length);
    conformers.forEach((row, index) => {
      const [name, attention, change, without] = shown.conformers[index];
      assert.equal(name, row.conf_id);
      close(attention, row.attention, `${what}: attention on ${name}`);
      close(change, row.logit_change, `${what}: change without ${name}`, 1e-4);
      close(without, row.left_out_probability, `${what}: probability without ${name}`);
    });
    const points = native.curves.filter((row) => row.task === task.task);
    for (const curve of noOrder ? ['random'] : ['deletion', 'insertion', 'random']) {
      assert.equal(shown.curves[curve].length, points.length, `${what}: points of ${curve}`);
      points.forEach((point, index) => close(shown.curves[curve][index], point[curve], `${what}: ${curve}`));
      close(shown.areas[curve], task[`${curve}_area`], `${what}: area of ${curve}`);
    }
  }
  return agreements;
}

for (const device of ['cpu', 'webgpu']) {
  test(`on ${device} every number is that of the native program`, async () => {
    await withPage({ webgpu: device === 'webgpu', origin: site.origin }, async (page) => {
      await openBundle(page, 'model.optimil', device);
      assert.equal(await page.locator('#status').getAttribute('data-device'), device);
      let agreements = 0;
      for (const molecule of largest(single, 6)) {
        await select(page, molecule);
        agreements += await compare(page, molecule);
      }
      assert.ok(agreements >= 12, `${agreements} of 24 agreements compared`);
      const pair = [...single.values()].find((molecule) => count(molecule) === 2);
      await select(page, pair);
      await compare(page, pair);
    });
  });
}

test('of an ensemble every number is the mean of its members, with their spread', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await openBundle(page, 'ensemble.optimil', 'cpu');
    for (const molecule of largest(several, 2)) {
      await select(page, molecule);
      await compare(page, molecule);
      const shown = await page.locator('#truth-tasks td.probability').first().textContent();
      const spread = Number(molecule.tasks[0].probability_std);
      assert.ok(shown.includes(`±\u00a0${spread.toFixed(3)}`), `${shown}: ± ${spread}`);
    }
  });
});

test('a conformer that is switched off is left out of everything, and comes back', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await openBundle(page, 'model.optimil', 'cpu');
    const [molecule] = largest(single, 1);
    const all = count(molecule);
    await select(page, molecule);
    const before = await readTests(page);
    const box = (conformer) => page.locator('#truth-conformers input').nth(conformer);
    for (let conformer = 0; conformer < all; conformer += 1) {
      // By keyboard: the box keeps the focus while the numbers change.
      await box(conformer).focus();
      await page.keyboard.press('Space');
      await tested(page, all - 1);
      assert.ok(await box(conformer).evaluate((element) => element === document.activeElement));
      const shown = await readTests(page);
      molecule.tasks.forEach(({ task }, at) => {
        const row = molecule.conformers.filter((row) => row.task === task)[conformer];
        close(shown.tasks[at][0], row.left_out_probability, `${task} without ${row.conf_id}`);
      });
      assert.deepEqual(shown.conformers[conformer].slice(1), [null, null, null]);
      const sum = shown.conformers.reduce((sum, [, attention]) => sum + (attention ?? 0), 0);
      assert.ok(Math.abs(sum - 1) < 1e-5, 'the attention goes to those that are on');
      await page.getByText(`1 of ${all} conformers are off`).waitFor();
      assert.match(await page.locator('#truth-tasks td.probability').first().textContent(), /all on: 0\.\d{3}/);
      await page.keyboard.press('Space');
      await tested(page, all);
      assert.deepEqual(await readTests(page), before);
    }
    for (let conformer = 1; conformer < all; conformer += 1) await box(conformer).uncheck();
    await tested(page, 1);
    assert.ok(await box(0).isDisabled(), 'the last one stays on');
    await page.getByText('One conformer is on').waitFor();
    await page.getByRole('button', { name: 'Switch all on' }).click();
    await tested(page, all);
    assert.deepEqual(await readTests(page), before);
  });
});

test('of a molecule of one conformer there is nothing to test', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await openBundle(page, 'model.optimil', 'cpu');
    const alone = [...single.values()].find((molecule) => count(molecule) === 1);
    await page.locator('#search').fill(alone.id);
    await page.locator('#truth', { hasText: 'one conformer' }).waitFor();
    assert.equal(await page.locator('#truth table').count(), 0);
  });
});

test('who walks quickly through the molecules sees the numbers of the last', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await openBundle(page, 'model.optimil', 'cpu');
    await page.locator('#molecules').focus();
    await page.keyboard.press('Home');
    for (let step = 0; step < 30; step += 1) await page.keyboard.press('ArrowDown');
    let native = single.get(await page.locator('#selected').textContent());
    while (count(native) < 2) {
      await page.keyboard.press('ArrowDown');
      native = single.get(await page.locator('#selected').textContent());
    }
    await tested(page, count(native));
    await compare(page, native);
  });
});

test('a molecule is explained while the others are still being predicted', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await page.goto(`${site.address}?bundle=model.optimil&device=cpu`);
    const [molecule] = largest(single, 1);
    await page.locator('#status[data-device=cpu]').waitFor();
    await select(page, molecule);
    await compare(page, molecule);
  });
});

test('behind every number stands what it is, how it is computed and where it misleads', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await openBundle(page, 'model.optimil', 'cpu');
    await select(page, largest(single, 1)[0]);
    const buttons = page.locator('#truth button.help');
    assert.equal(await buttons.count(), 8);
    for (const button of await buttons.all()) {
      await button.focus();
      await page.keyboard.press('Enter');
      const text = page.locator('.help-text:popover-open');
      await text.waitFor();
      assert.match(await text.textContent(), /Computed: .+Misleads: ./);
      const { x, y, width, height } = await text.boundingBox();
      const { width: right, height: bottom } = page.viewportSize();
      assert.ok(x >= 0 && y >= 0 && x + width <= right && y + height <= bottom, 'it fits into the window');
      await page.keyboard.press('Escape');
      await text.waitFor({ state: 'detached' });
    }
  });
});

test('screenshots', async () => {
  for (const [name, width, height, colorScheme] of [
    ['truth-light', 1440, 900, 'light'],
    ['truth-dark', 1440, 900, 'dark'],
    ['truth-tablet', 768, 1024, 'light'],
    ['truth-narrow', 360, 780, 'light'],
    ['truth-narrow-dark', 360, 780, 'dark'],
  ]) {
    await withPage({ origin: site.origin, viewport: { width, height }, colorScheme }, async (page) => {
      await openBundle(page, 'model.optimil', 'cpu');
      const [molecule] = largest(single, 1);
      await select(page, molecule);
      await page.locator('#truth').screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
      await page.locator('#truth-conformers input').nth(1).uncheck();
      await tested(page, count(molecule) - 1);
      await page.locator('#truth').screenshot({ path: join(SCREENSHOTS, `${name}-off.png`) });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.ok(!wide, `${name}: the page is wider than its window`);
    });
  }
  await withPage({ origin: site.origin, viewport: { width: 1440, height: 900 } }, async (page) => {
    await openBundle(page, 'ensemble.optimil', 'cpu');
    await select(page, largest(several, 1)[0]);
    await page.locator('#truth').screenshot({ path: join(SCREENSHOTS, 'truth-ensemble.png') });
  });
});
