// A chemist's story, from the empty page to a colleague's browser: once with the mouse, once by keyboard alone. Every number
// on the way is compared with what the native program says.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { withPage } from './browser.mjs';
import { ROOT, explainNatively, readPredictions, writeStory } from './bundles.mjs';
import { assertClose, finished, readMolecule } from './shown.mjs';
import { serveFolders } from './site.mjs';

const SCREENSHOTS = join(ROOT, 'tests/screenshots');
const VIEWPORT = { width: 1440, height: 900 };
/** The task that the story is about, by its position. */
const TASK = 1;
const LEAST_EFFECTIVE = 3.5;
const THRESHOLD = 0.35;

let bundle;
let site;
/** What the native program says: a molecule a row, in the order of the bundle. */
let native;
/** The molecules that the search and the range leave, the most probable first, and the one that the story is about. */
let found;
let hero;

before(async () => {
  bundle = writeStory();
  const predictions = readPredictions(bundle.file('predictions.csv'));
  const explained = explainNatively(bundle, 'model.optimil');
  native = bundle.molecules.map(({ id, labels }) => ({ id, labels, ...predictions.get(id), explained: explained.get(id) }));
  const effective = ({ explained: { tasks } }) => tasks.reduce((sum, { effective_conformers: n }) => sum + Number(n), 0) / tasks.length;
  found = native.filter((molecule) => molecule.id.includes('CHR0') && effective(molecule) >= LEAST_EFFECTIVE);
  found.sort((a, b) => b.probabilities[TASK] - a.probabilities[TASK]);
  [hero] = found;
  assert.ok(found.length > 3 && found.length < native.length && hero.conformers.length > 3, 'there is something to look for');
  site = await serveFolders([join(ROOT, 'dist')]);
  mkdirSync(SCREENSHOTS, { recursive: true });
});

after(() => {
  site?.close();
  bundle?.remove();
});

const empty = () => `${site.address}?device=cpu`;
const options = () => ({ origin: site.origin, viewport: VIEWPORT, acceptDownloads: true, permissions: ['clipboard-read', 'clipboard-write'] });
const isInFront = (page, name) => page.locator('nav a[aria-current=page]', { hasText: new RegExp(`^${name}$`) }).waitFor();
const link = (page, name) => page.getByRole('navigation').getByRole('link', { name, exact: true });
const tested = (page, on) => page.locator(`#truth .tests[aria-busy=false][data-on="${on}"]`).waitFor();
const values = (locator) => locator.evaluateAll((cells) => cells.map((cell) => Number(cell.dataset.value)));

function camera(page, story) {
  return (step) => page.screenshot({ path: join(SCREENSHOTS, `story-${story}-${step}.png`) });
}

// What stands on the page at each step, whoever came there how.

async function allArePredicted(page) {
  await finished(page);
  await page.locator('#count', { hasText: `${native.length} shown` }).waitFor();
}

async function someAreFound(page) {
  await page.locator('#count', { hasText: `${found.length} of ${native.length} shown` }).waitFor();
}

async function orderIsByProbability(page) {
  const rows = page.locator('#molecules tbody:not(.pinned) tr:not(.spacer)');
  await page.locator('#molecules thead th[aria-sort=descending]', { hasText: bundle.tasks[TASK] }).waitFor();
  await page.waitForFunction((id) => document.querySelector('#molecules tbody:not(.pinned) th span')?.textContent === id, hero.id);
  const ids = await rows.locator('th span').allTextContents();
  assert.deepEqual(ids, found.slice(0, ids.length).map(({ id }) => id));
  const shown = await values(rows.locator(`td.task:nth-child(${await column(page)})`));
  assertClose(shown, found.slice(0, ids.length).map(({ probabilities }) => probabilities[TASK]), 'probabilities in the table');
}

/** Which column of the table the task is, counted from 1. */
async function column(page) {
  const names = await page.locator('#molecules thead th > :first-child').allTextContents();
  return names.findIndex((name) => name === bundle.tasks[TASK]) + 1;
}

async function moleculeIsRead(page, threshold = 0.5) {
  const shown = await readMolecule(page);
  assert.equal(shown.id, hero.id);
  assertClose(shown.probabilities, hero.probabilities, 'probabilities');
  shown.attention.forEach((weights, task) => assertClose(weights, hero.attention[task], `attention of task ${task}`));
  const row = page.locator('#tasks tbody tr').nth(TASK);
  const all = native.map(({ probabilities }) => probabilities[TASK]);
  const below = all.filter((probability) => probability < hero.probabilities[TASK]).length;
  const percentile = Number(await row.locator('[data-percentile]').getAttribute('data-percentile'));
  assert.ok(Math.abs(percentile - (100 * (below + 0.5)) / all.length) < 0.8, `percentile ${percentile}`);
  const side = hero.probabilities[TASK] >= threshold ? 'reaches' : 'below';
  await row.getByText(`${side} the threshold ${threshold.toFixed(3)}`).waitFor();
  assert.match(await page.title(), new RegExp(`^${hero.id} – model.optimil`));
  return { ...shown, percentile };
}

async function attentionIsTested(page) {
  await tested(page, hero.conformers.length);
  const { tasks, conformers } = hero.explained;
  assertClose(await values(page.locator('#truth-tasks td.uniform')), tasks.map((row) => Number(row.uniform_probability)), 'uniform attention');
  const rows = conformers.filter(({ task }) => task === bundle.tasks[TASK]);
  assertClose(await values(page.locator('#truth-conformers td.change')), rows.map((row) => Number(row.logit_change)), 'change when left out');
  assertClose(await values(page.locator('#truth-conformers td.without')), rows.map((row) => Number(row.left_out_probability)), 'probability without');
  const agreement = page.locator('#truth-tasks td.agreement').nth(TASK);
  const wanted = Number(tasks[TASK].agreement);
  assert.ok(Math.abs((await values(agreement))[0] - wanted) < 1e-3, 'agreement');
  await agreement.locator('.badge', { hasText: wanted >= 0.7 ? 'agrees' : wanted >= 0.3 ? 'in part' : 'disagrees' }).waitFor();
}

/** The conformer with the most attention is off: what the test of leaving it out has foretold comes true. */
async function predictionIsWithout(page, conformer) {
  await tested(page, hero.conformers.length - 1);
  const row = hero.explained.conformers.filter(({ task }) => task === bundle.tasks[TASK])[conformer];
  const [probability] = await values(page.locator('#truth-tasks td.probability').nth(TASK));
  assertClose([probability], [Number(row.left_out_probability)], 'probability without the conformer');
}

async function confusionIs(page, threshold) {
  const positive = ({ labels }) => labels[TASK] > 0;
  const flagged = ({ probabilities }) => probabilities[TASK] >= threshold;
  const count = (a, b) => native.filter((molecule) => positive(molecule) === a && flagged(molecule) === b).length;
  const [wanted, classes] = [[count(true, true), count(true, false), count(false, true), count(false, false)], ['true-positives', 'false-negatives', 'false-positives', 'true-negatives']];
  await page.waitForFunction(
    ([classes, wanted]) => classes.every((name, at) => document.querySelector(`#confusion .${name}`)?.textContent === String(wanted[at])),
    [classes, wanted],
  );
}

/** The conformer at which the task looks most. */
const mostAttended = () => hero.attention[TASK].indexOf(Math.max(...hero.attention[TASK]));

/** Choosers are caught from the first listener on; one that is added as the key is pressed may come too late. */
const catchChoosers = (page) => page.on('filechooser', () => {});

/** A colleague's browser: a new process, without anything that the first one knew. `pick` opens a file there. */
async function colleagueSees(shared, first, pick, shoot) {
  await withPage({ origin: 'file://', viewport: VIEWPORT }, async (page) => {
    await page.goto(pathToFileURL(shared.page).href);
    assert.equal(await page.locator('h1').textContent(), hero.id);
    const texts = (selector) => page.locator(selector).allTextContents();
    assert.deepEqual(await texts('#predictions td:nth-child(2)'), first.probabilities.map((value) => value.toFixed(4)));
    assert.equal((await texts('#predictions .percentile'))[TASK], first.percentile.toFixed(0));
    const side = hero.probabilities[TASK] >= THRESHOLD ? 'reached' : 'not reached';
    assert.equal((await texts('#predictions td:nth-child(4)'))[TASK], `${THRESHOLD.toFixed(3)}, ${side}`);
    const weights = first.conformers.flatMap((_, conformer) => first.attention.map((row) => row[conformer].toFixed(4)));
    assert.deepEqual(await texts('#attention tbody td'), weights);
    await shoot(page, '10-page');
  });
  await withPage({ origin: site.origin, viewport: VIEWPORT }, async (page) => {
    catchChoosers(page);
    await page.goto(shared.link);
    await page.getByRole('heading', { name: 'Open a model bundle' }).waitFor();
    await pick(page, bundle.file('model.optimil'));
    await isInFront(page, 'Molecule');
    await finished(page);
    assert.deepEqual(await moleculeIsRead(page, THRESHOLD), first);
    await page.locator(`#attention td[aria-selected=true]#weight-${TASK}-${mostAttended()}`).waitFor();
    await shoot(page, '10-link');
  });
}

test('ten steps with the mouse', async () => {
  let shared;
  let first;
  await withPage(options(), async (page) => {
    const shoot = camera(page, 'mouse');
    // 1. The page, with nothing in it.
    await page.goto(empty());
    await page.getByRole('heading', { name: 'Open a model bundle' }).waitFor();
    await shoot('01-start');
    // 2. A file is dropped on it; the guide is read and put away.
    const bytes = readFileSync(bundle.file('model.optimil')).toString('base64');
    const transfer = await page.evaluateHandle(async (base64) => {
      const transfer = new DataTransfer();
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      transfer.items.add(new File([bytes], 'model.optimil'));
      return transfer;
    }, bytes);
    await page.locator('.page').dispatchEvent('drop', { dataTransfer: transfer });
    await allArePredicted(page);
    await page.getByRole('heading', { name: 'How to read this' }).waitFor();
    await shoot('02-opened');
    await page.getByRole('button', { name: 'Got it' }).click();
    await page.getByRole('heading', { name: 'How to read this' }).waitFor({ state: 'detached' });
    // 3. Search, and a range.
    await page.locator('#search').fill('chr0');
    await page.getByRole('button', { name: 'Ranges' }).click();
    await page.getByRole('button', { name: 'Add a range' }).click();
    await page.locator('#ranges').getByLabel('Column').selectOption('Effective conformers');
    await page.locator('#ranges').getByLabel('from').fill(String(LEAST_EFFECTIVE));
    await someAreFound(page);
    await shoot('03-found');
    // 4. The most probable first.
    await page.locator('#molecules thead').getByRole('button', { name: bundle.tasks[TASK], exact: true }).click();
    await orderIsByProbability(page);
    await shoot('04-sorted');
    // 5. The first is pinned and opened.
    await page.getByRole('button', { name: `Pin ${hero.id}`, exact: true }).click();
    const pinned = page.locator('#molecules tbody.pinned th');
    await pinned.filter({ hasText: hero.id }).waitFor();
    await shoot('05-pinned');
    await pinned.locator('span').dblclick();
    await isInFront(page, 'Molecule');
    // 6. Probability, percentile, threshold.
    await page.locator('.formula svg').waitFor();
    await moleculeIsRead(page);
    await shoot('06-molecule');
    // 7. The map, and the conformer in space.
    await page.locator(`#viewer[data-shown="${hero.conformers.length}"] canvas`).waitFor();
    const conformer = mostAttended();
    const other = (conformer + 1) % hero.conformers.length;
    await page.locator(`#weight-${TASK}-${conformer}`).click();
    await page.locator(`#viewer[data-chosen="${conformer}"]`).waitFor();
    await page.locator(`#weight-${TASK}-${other}`).hover();
    await page.locator(`#viewer[data-looked="${other}"]`).waitFor();
    await page.getByText(`Conformer ${hero.conformers[conformer]}; carbon is coloured by the attention of ${bundle.tasks[TASK]}.`).waitFor();
    await shoot('07-map');
    // 8. Is it telling the truth?
    await attentionIsTested(page);
    await page.locator('#truth-conformers input').nth(conformer).uncheck();
    await predictionIsWithout(page, conformer);
    await shoot('08-without');
    await page.getByRole('button', { name: 'Switch all on' }).click();
    await tested(page, hero.conformers.length);
    // 9. How good is the model?
    await link(page, 'Model').click();
    await isInFront(page, 'Model');
    await page.locator('.assessments[aria-busy=false]').waitFor();
    await confusionIs(page, 0.5);
    await page.locator('#threshold-number').fill(String(THRESHOLD));
    await page.locator('#threshold-number').press('Enter');
    await confusionIs(page, THRESHOLD);
    await shoot('09-model');
    // 10. The page and the link go to a colleague.
    await link(page, 'Molecule').click();
    await isInFront(page, 'Molecule');
    first = await moleculeIsRead(page, THRESHOLD);
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Page (HTML)' }).click()]);
    await download.saveAs(bundle.file(download.suggestedFilename()));
    await page.locator('#copy-link').click();
    await page.getByText('Copied. Send model.optimil along').waitFor();
    shared = { page: bundle.file(download.suggestedFilename()), link: await page.evaluate(() => navigator.clipboard.readText()) };
    await shoot('10-shared');
  });
  const pick = (page, file) => page.locator('#file').setInputFiles(file);
  await colleagueSees(shared, first, pick, (page, step) => camera(page, 'mouse')(step));
});

/** What has the focus, and whether one can see that. */
function focused(page, selector) {
  return page.evaluate((selector) => {
    const element = document.activeElement;
    // To the eye, a file input is its label, and the table what it scrolls in.
    const seen = element.closest(element.id === 'molecules' ? '.viewport' : 'label.button') ?? element;
    const { outlineStyle, outlineWidth } = getComputedStyle(seen);
    const area = seen.getBoundingClientRect();
    const inside = area.bottom > 0 && area.top < innerHeight && area.right > 0 && area.left < innerWidth && area.width > 2;
    return {
      matches: element.matches(selector),
      visible: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1 && inside,
      name: `${element.tagName.toLowerCase()}#${element.id} ${element.getAttribute('aria-label') ?? element.textContent.slice(0, 40)}`,
    };
  }, selector);
}

/** Waits until something has the focus that went there by itself. */
async function focusComesTo(page, selector) {
  await page.locator(`${selector}:focus`).waitFor();
  const { visible, name } = await focused(page, selector);
  assert.ok(visible, `the focus on ${name} can be seen`);
}

/** Presses Tab (or another key) until what the selector means has the focus; every stop on the way must be seen. */
async function tabTo(page, selector, key = 'Tab', most = 60) {
  const stops = [];
  while (stops.length < most) {
    await page.keyboard.press(key);
    const { matches, visible, name } = await focused(page, selector);
    stops.push(name);
    assert.ok(!name.startsWith('body'), `the focus is lost after ${stops.join(' > ')}`);
    assert.ok(visible, `the focus on ${name} can be seen`);
    if (matches) return stops.length;
  }
  return assert.fail(`${selector} is not reached: ${stops.join(' > ')}`);
}

/** Chooses a file with the chooser that Enter opens. */
async function chooseFile(page, file) {
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.keyboard.press('Enter')]);
  await chooser.setFiles(file);
}

test('ten steps by keyboard alone', async () => {
  let shared;
  let first;
  await withPage(options(), async (page) => {
    const shoot = camera(page, 'keyboard');
    const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
    catchChoosers(page);
    // 1. The first stop leads past the head of the page: while nothing is open, to the way to open something.
    await page.goto(empty());
    await page.getByRole('heading', { name: 'Open a model bundle' }).waitFor();
    assert.equal(await tabTo(page, '.skip'), 1);
    await shoot('01-start');
    await press('Enter');
    await focusComesTo(page, '#file');
    // 2. A file; the guide is put away, and the focus is in the table.
    await chooseFile(page, bundle.file('model.optimil'));
    await allArePredicted(page);
    await focusComesTo(page, '#file');
    await tabTo(page, '.first-visit button');
    await shoot('02-opened');
    await press('Enter');
    await focusComesTo(page, '#molecules');
    // 3. Search, and a range.
    await tabTo(page, '#search', 'Shift+Tab');
    await page.keyboard.type('chr0');
    await tabTo(page, '.toolbar button[aria-expanded]');
    await press('Enter');
    await tabTo(page, '#ranges > button');
    await press('Enter');
    await page.locator('#ranges select').waitFor();
    await tabTo(page, '#ranges select', 'Shift+Tab');
    await press('Home', 'ArrowDown');
    assert.equal(await page.locator('#ranges select option:checked').textContent(), 'Effective conformers');
    await tabTo(page, '#ranges input');
    await page.keyboard.type(String(LEAST_EFFECTIVE));
    await someAreFound(page);
    await shoot('03-found');
    // 4. The most probable first.
    await tabTo(page, '#molecules');
    const nth = await column(page);
    await tabTo(page, `#molecules thead th:nth-child(${nth}) button`);
    await press('Enter');
    await orderIsByProbability(page);
    await shoot('04-sorted');
    // 5. The first is pinned and opened.
    await tabTo(page, '#molecules', 'Shift+Tab');
    await press('Home');
    await page.locator('#selected', { hasText: hero.id }).waitFor();
    await press('p');
    await page.locator('#molecules tbody.pinned th', { hasText: hero.id }).waitFor();
    await focusComesTo(page, '#molecules');
    await shoot('05-pinned');
    await press('Enter');
    await isInFront(page, 'Molecule');
    await focusComesTo(page, '#selected');
    // 6. Probability, percentile, threshold; what they mean, and back to where one was.
    await page.locator('.formula svg').waitFor();
    await moleculeIsRead(page);
    await tabTo(page, '[popovertarget=help-place]');
    await press('Enter');
    await page.getByRole('dialog', { name: 'Among all molecules' }).waitFor();
    await shoot('06-help');
    await press('Escape');
    await page.locator('#help-place').waitFor({ state: 'hidden' });
    await focusComesTo(page, '[popovertarget=help-place]');
    // 7. The map, and the conformer in space.
    await page.locator(`#viewer[data-shown="${hero.conformers.length}"] canvas`).waitFor();
    await tabTo(page, '#attention td');
    const conformer = mostAttended();
    await press(...Array(TASK).fill('ArrowDown'), 'Home', ...Array(conformer).fill('ArrowRight'), 'Enter');
    await focusComesTo(page, `#weight-${TASK}-${conformer}[aria-selected=true]`);
    await page.locator(`#viewer[data-chosen="${conformer}"]`).waitFor();
    await tabTo(page, '#viewer');
    const other = conformer ? conformer - 1 : 1;
    await press(conformer ? 'p' : 'n');
    await page.locator(`#weight-${TASK}-${other}[aria-selected=true]`).waitFor();
    await press(conformer ? 'n' : 'p');
    await page.locator(`#viewer[data-chosen="${conformer}"]:focus`).waitFor();
    await shoot('07-map');
    // 8. Is it telling the truth?
    await attentionIsTested(page);
    await tabTo(page, '#truth-tasks input');
    await press('ArrowUp', 'ArrowDown');
    await focusComesTo(page, '#truth-tasks tr.chosen input');
    await tabTo(page, '#truth-conformers input');
    for (let row = 0; row < conformer; row += 1) await tabTo(page, '#truth-conformers input');
    await press('Space');
    await predictionIsWithout(page, conformer);
    await focusComesTo(page, '#truth-conformers input');
    await shoot('08-without');
    await tabTo(page, '.switches button', 'Shift+Tab');
    await press('Enter');
    await tested(page, hero.conformers.length);
    await focusComesTo(page, '#truth-conformers input');
    // 9. How good is the model?
    await tabTo(page, 'nav a[href*="show=model"]:not([href*="show=molecule"])', 'Shift+Tab');
    await press('Enter');
    await isInFront(page, 'Model');
    await focusComesTo(page, '#performance-heading');
    await page.locator('.assessments[aria-busy=false]').waitFor();
    await confusionIs(page, 0.5);
    await tabTo(page, '#threshold-number');
    await press('Control+a');
    await page.keyboard.type(String(THRESHOLD));
    await press('Enter');
    await confusionIs(page, THRESHOLD);
    await shoot('09-model');
    // 10. The page and the link go to a colleague.
    await tabTo(page, 'nav a[href*="show=molecule&"]', 'Shift+Tab');
    await press('Enter');
    await isInFront(page, 'Molecule');
    await focusComesTo(page, '#selected');
    first = await moleculeIsRead(page, THRESHOLD);
    await tabTo(page, '#sharing button:last-child');
    const [download] = await Promise.all([page.waitForEvent('download'), press('Enter')]);
    await download.saveAs(bundle.file(download.suggestedFilename()));
    await tabTo(page, '#copy-link', 'Shift+Tab');
    await press('Enter');
    await page.getByText('Copied. Send model.optimil along').waitFor();
    await focusComesTo(page, '#copy-link');
    shared = { page: bundle.file(download.suggestedFilename()), link: await page.evaluate(() => navigator.clipboard.readText()) };
    await shoot('10-shared');
  });
  const pick = async (page, file) => {
    await tabTo(page, '#file');
    await chooseFile(page, file);
  };
  await colleagueSees(shared, first, pick, (page, step) => camera(page, 'keyboard')(step));
});
