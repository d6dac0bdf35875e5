// The model page, against what the native program measured when it trained the model.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { examine } from './axe.mjs';
import { withPage } from './browser.mjs';
import { ROOT, SEARCH, writeBundles, writeTrained } from './bundles.mjs';
import { finished } from './shown.mjs';
import { serveFolders } from './site.mjs';
import { unzip } from './zip.mjs';

const SCREENSHOTS = join(ROOT, 'tests/screenshots');

let bundles;
let trained;
let site;
let manifest;
/** Labels and probabilities by task, as the native program wrote them: [{ positive, score }]. */
let native;

before(async () => {
  bundles = writeBundles();
  trained = writeTrained();
  manifest = JSON.parse(unzip(readFileSync(trained.file('first.optimil'))).get('manifest.json'));
  const [header, ...rows] = readFileSync(join(trained.run, 'predictions.csv'), 'utf8').trim().split('\n').map((row) => row.split(','));
  native = Object.fromEntries(
    manifest.schema.task.map(({ name }) => {
      const [label, score] = [`label_${name}`, `pred_${name}`].map((column) => header.indexOf(column));
      return [name, rows.map((row) => ({ positive: row[label] === '1', score: Number(row[score]) }))];
    }),
  );
  site = await serveFolders([join(ROOT, 'dist'), trained.folder, bundles.folder]);
  mkdirSync(SCREENSHOTS, { recursive: true });
});

after(() => {
  site?.close();
  trained?.remove();
  bundles?.remove();
});

const open = (page, bundle = 'first.optimil', view = '') =>
  page.goto(`${site.address}?bundle=${bundle}&device=cpu#v=1&show=model${view}`);

/** Waits until every task is assessed. */
const assessed = (page) => page.locator('.assessments[aria-busy=false]').waitFor({ timeout: 60_000 });

const close = (found, wanted, what, tolerance = 1e-5) =>
  assert.ok(Math.abs(Number(found) - wanted) <= tolerance, `${what}: ${found} in the page, ${wanted} natively`);

/** Wilson's 95 % interval. */
function wilson(part, all) {
  const z = 1.959963984540054;
  const share = part / all;
  const middle = (share + (z * z) / (2 * all)) / (1 + (z * z) / all);
  const half = (z / (1 + (z * z) / all)) * Math.sqrt((share * (1 - share)) / all + (z * z) / (4 * all * all));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

test('metrics and intervals are those that the native program measured', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await open(page);
    await assessed(page);
    const { tasks, validation_molecules: molecules } = manifest.training;
    await page.locator('#split', { hasText: `leaderboard (${molecules} molecules)` }).waitFor();
    await page.getByText('was chosen on these molecules').waitFor();
    for (const [at, task] of tasks.entries()) {
      const row = page.locator('#ranking tbody tr').nth(at);
      assert.equal(await row.locator('.positives').textContent(), `${task.positives} of ${molecules}`);
      for (const [cell, value, interval] of [
        ['precision', task.average_precision, task.average_precision_interval],
        ['roc', task.roc_auc, task.roc_auc_interval],
      ]) {
        const data = await row.locator(`.${cell}`).evaluate((element) => ({ ...element.dataset }));
        close(data.value, value, `${task.task}: ${cell}`);
        close(data.low, interval.low, `${task.task}: lower end of ${cell}`);
        close(data.high, interval.high, `${task.task}: upper end of ${cell}`);
      }
      // Enrichment in the first tenth, by counting.
      const ranked = [...native[task.task]].sort((a, b) => b.score - a.score);
      const picked = Math.ceil(0.1 * molecules);
      const share = ranked.slice(0, picked).filter(({ positive }) => positive).length / picked;
      close(await row.locator('.top-10').getAttribute('data-value'), (share * molecules) / task.positives, `${task.task}: top 10 %`);
    }
    const few = tasks.filter(({ positives }) => positives < 30);
    assert.ok(few.length > 0);
    for (const { task, positives } of few) await page.locator('.few', { hasText: `${task} (${positives})` }).waitFor();
  });
});

test('a threshold is moved by keyboard, and everything follows, the address too', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await open(page);
    await assessed(page);
    const task = manifest.schema.task[2].name;
    await page.locator('#ranking input').nth(2).check();
    await page.locator('#task-heading', { hasText: task.replaceAll('_', '_') }).waitFor();
    await page.locator('#threshold').focus();
    const before = await page.locator('#charts .figure').first().innerHTML();
    for (let step = 0; step < 30; step += 1) await page.keyboard.press('ArrowLeft');
    const threshold = Number(await page.locator('#threshold-number').inputValue());
    assert.ok(Math.abs(threshold - 0.35) < 1e-6, `${threshold}`);
    const molecules = native[task];
    const counted = (positive, flagged) =>
      molecules.filter((m) => m.positive === positive && m.score >= threshold === flagged).length;
    const cells = {
      'true-positives': counted(true, true),
      'false-positives': counted(false, true),
      'false-negatives': counted(true, false),
      'true-negatives': counted(false, false),
    };
    for (const [name, wanted] of Object.entries(cells)) {
      assert.equal(await page.locator(`#confusion .${name}`).textContent(), String(wanted), name);
    }
    const shares = {
      precision: [cells['true-positives'], cells['true-positives'] + cells['false-positives']],
      recall: [cells['true-positives'], cells['true-positives'] + cells['false-negatives']],
      'false-alarms': [cells['false-positives'], cells['false-positives'] + cells['true-negatives']],
    };
    for (const [name, [part, all]] of Object.entries(shares)) {
      const [low, high] = wilson(part, all).map((end) => end.toFixed(3));
      const words = await page.locator(`#shares .${name}`).textContent();
      assert.equal(words, `${(part / all).toFixed(3)} [${low}, ${high}]`, name);
    }
    assert.notEqual(await page.locator('#charts .figure').first().innerHTML(), before, 'the curve marks the threshold');
    // Numbers that are none, and thresholds that are no probabilities, change nothing.
    await page.locator('#threshold-number').fill('7');
    await page.locator('#threshold-number').press('Enter');
    assert.equal(await page.locator('#threshold').inputValue(), '0.35');
    // The address follows after a moment: until then it has a threshold on the way, such as 0.355.
    await page.waitForFunction(() => new URLSearchParams(location.hash.slice(1)).get('threshold')?.startsWith('0.35 '));
    const link = page.url();

    await page.goto('about:blank');
    await page.goto(link);
    await assessed(page);
    assert.equal(await page.locator('#threshold').inputValue(), '0.35');
    assert.ok(await page.locator('#ranking input').nth(2).isChecked());
    await page.getByRole('button', { name: 'Back to 0.5' }).click();
    assert.equal(await page.locator('#threshold').inputValue(), '0.5');
    // Nothing is flagged: there is no precision, and nothing that looks like one.
    await page.locator('#threshold-number').fill('1');
    await page.locator('#threshold-number').press('Enter');
    await page.locator('#shares .precision', { hasText: 'nothing is flagged' }).waitFor();
  });
});

test('curves can be read by pointer and by keyboard', async () => {
  await withPage({ origin: site.origin, viewport: { width: 1440, height: 1400 } }, async (page) => {
    await open(page);
    await assessed(page);
    const figures = page.locator('#charts .figure');
    assert.equal(await figures.count(), 5);
    for (const figure of await figures.all()) {
      assert.ok((await figure.locator('svg[role=img] desc').textContent()).length > 40, 'it is described in words');
      await figure.focus();
      await page.keyboard.press('End');
      const last = await figure.locator('.read-out').textContent();
      await page.keyboard.press('ArrowLeft');
      const before = await figure.locator('.read-out').textContent();
      assert.ok(last && before && last !== before, `${last}, ${before}`);
    }
    // At a false positive rate of one half, the table's own definition of the curve.
    const roc = figures.nth(1);
    await roc.scrollIntoViewIfNeeded();
    const box = await roc.locator('figure > svg').boundingBox();
    await page.mouse.move(box.x + (box.width * (60 + 448 / 2)) / 520, box.y + box.height / 2);
    const words = await roc.locator('.read-out').textContent();
    assert.match(words, /^false positive rate 0\.500: true positive rate 0\.\d{3} \[0\.\d{3}, [01]\.\d{3}\]$/);
    const [first] = manifest.schema.task;
    const negatives = native[first.name].filter(({ positive }) => !positive).sort((a, b) => b.score - a.score);
    const border = negatives[Math.floor(negatives.length / 2)].score;
    const positives = native[first.name].filter(({ positive }) => positive);
    const rate = positives.filter(({ score }) => score > border).length / positives.length;
    close(words.match(/rate (0\.\d+) \[/)[1], rate, 'ROC at one half', 0.03);
    const mark = await roc.locator('.read-mark').boundingBox();
    assert.ok(Math.abs(mark.x + mark.width / 2 - (box.x + (box.width * 284) / 520)) < 4, 'the mark is where the pointer is');
  });
});

test('training molecules are told from others, and every split can be chosen', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await open(page, 'model.optimil');
    await assessed(page);
    const options = await page.locator('#split option').allTextContents();
    assert.ok(options.length > 1, `${options}`);
    assert.ok(!(await page.locator('#split option:checked').textContent()).startsWith('train'), 'not the training molecules');
    const before = await page.locator('#ranking').textContent();
    await page.locator('#split').selectOption({ label: options.find((option) => option.startsWith('train')) });
    await page.getByText('The model was trained on these molecules').waitFor();
    await page.waitForFunction((before) => document.querySelector('#ranking').textContent !== before, before);
    await assessed(page);
    await page.waitForFunction(() => location.hash.includes('split=train'));
  });
});

test('without labels, molecules or features the page says what is missing', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await open(page, 'unlabelled.optimil');
    await page.getByText('have no labels').waitFor();
    await open(page, 'alone.optimil');
    await page.getByText('No molecules travel with this model').waitFor();
    assert.equal(page.workers().length, 0, 'no model is loaded for nothing');
  });
});

test('the search of the parameters is shown with every trial', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await open(page, 'second.optimil');
    const section = page.locator('.search');
    await section.getByText('4 trials were completed, 2 were given up early, 1 failed').waitFor();
    const dots = section.locator('figure').first().locator('circle');
    assert.equal(await dots.count(), SEARCH.trials.filter(({ value }) => value !== undefined).length);
    const importance = section.locator('.figure').nth(1);
    await importance.focus();
    await page.keyboard.press('Home');
    await importance.locator('.read-out', { hasText: 'lr: 0.700 [0.500, 0.850]' }).waitFor();
    await open(page);
    await assessed(page);
    assert.equal(await page.locator('.search').count(), 0);
  });
});

test('behind every number stands what it is, how it is computed and where it misleads', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await open(page);
    await assessed(page);
    const buttons = page.locator('#performance button.help');
    assert.equal(await buttons.count(), 8);
    for (const button of await buttons.all()) {
      await button.focus();
      await page.keyboard.press('Enter');
      const text = page.locator('.help-text:popover-open');
      await text.waitFor();
      assert.match(await text.textContent(), /Computed: .+Misleads: ./);
      await page.keyboard.press('Escape');
    }
  });
});

test('screenshots', async () => {
  for (const [name, width, height, colorScheme] of [
    ['model-light', 1440, 900, 'light'],
    ['model-dark', 1440, 900, 'dark'],
    ['model-tablet', 768, 1024, 'light'],
    ['model-narrow', 360, 780, 'light'],
    ['model-narrow-dark', 360, 780, 'dark'],
  ]) {
    await withPage({ origin: site.origin, viewport: { width, height }, colorScheme }, async (page) => {
      await open(page, 'second.optimil', '&threshold=0.3%20Absorbs_near_uv');
      await finished(page);
      await assessed(page);
      await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
      await examine(page, name);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.ok(!wide, `${name}: the page is wider than its window`);
    });
  }
});
