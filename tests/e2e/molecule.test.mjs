// One molecule: its structure, its attention map, its conformers in 3D.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { withPage } from './browser.mjs';
import { ROOT, readPredictions, readTasks, writeMolecules } from './bundles.mjs';
import { finished } from './shown.mjs';
import { serveFolders } from './site.mjs';

const SCREENSHOTS = join(ROOT, 'tests/screenshots');

let bundles;
let site;
let expected;
let tasks;

before(async () => {
  bundles = writeMolecules();
  expected = [...readPredictions(bundles.file('predictions.csv'))];
  expected.sort(([, a], [, b]) => b.conformers.length - a.conformers.length);
  tasks = readTasks(bundles.file('predictions.csv'));
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

test('conformers can be chosen before the model has told, and what it tells moves nothing', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    let comes;
    const told = new Promise((resolve) => (comes = resolve));
    await page.context().route('**/start-model.js', (route) => told.then(() => route.continue()));
    const [id, { conformers }] = expected[0];
    await page.goto(address(`molecule=${encodeURIComponent(id)}`));
    await formula(page).locator('svg').waitFor();
    const cells = page.locator('#attention tbody td');
    assert.equal(await cells.count(), tasks.length * conformers.length);
    assert.deepEqual(new Set(await cells.allTextContents()), new Set(['…']));
    assert.equal(await page.locator('#sharing button:enabled').count(), 0, 'there is nothing to take along yet');
    await page.locator('#weight-1-2').click();
    await page.locator('#weight-1-2[aria-selected=true]').waitFor();
    const places = () =>
      page.evaluate(() => {
        const top = document.querySelector('#selected').getBoundingClientRect().top;
        const parts = document.querySelectorAll('#tasks tr, #attention tr, #viewer, #sharing, #truth');
        return [...parts].map((part) => Math.round(part.getBoundingClientRect().top - top));
      });
    const before = await places();
    comes();
    await finished(page);
    await page.locator('[data-percentile]').nth(tasks.length - 1).waitFor();
    assert.deepEqual(await places(), before);
    await page.locator('#sharing button:enabled').first().waitFor();
  });
});

test('arrow keys walk through tasks and conformers, and Page Down goes to the next molecule', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    const [id, { conformers }] = expected[0];
    await page.goto(address(molecule(id)));
    await finished(page);
    const chosen = (task, conformer) => page.locator(`#weight-${task}-${conformer}[aria-selected=true]:focus`).waitFor();
    await page.locator('#weight-0-0').click();
    await page.keyboard.press('ArrowRight');
    await chosen(0, 1);
    await page.keyboard.press('ArrowDown');
    await chosen(1, 1);
    await page.keyboard.press('End');
    await chosen(1, conformers.length - 1);
    await page.waitForURL(new RegExp(`conformer=${encodeURIComponent(conformers.at(-1))}`));
    await page.keyboard.press('PageDown');
    await page.waitForFunction((id) => document.querySelector('#selected').textContent !== id, id);
    await page.locator('#weight-1-0:focus').waitFor();
    await page.keyboard.press('PageUp');
    await page.locator('#selected', { hasText: id }).waitFor();
  });
});

test('each probability has its percentile among those of the bundle', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    const [id, native] = expected[0];
    await page.goto(address(molecule(id)));
    await finished(page);
    await page.locator('[data-percentile]').nth(native.probabilities.length - 1).waitFor();
    const shown = await page.locator('[data-percentile]').evaluateAll((all) => all.map((one) => Number(one.dataset.percentile)));
    shown.forEach((percentile, task) => {
      const all = expected.map(([, { probabilities }]) => probabilities[task]);
      const below = all.filter((probability) => probability < native.probabilities[task]).length;
      // Numbers of the page and the native program differ by rounding: neighbours may change places.
      assert.ok(Math.abs(percentile - (100 * (below + 0.5)) / all.length) < 0.5, `task ${task}: ${percentile}`);
    });
  });
});

test('a probability is drawn among those of all molecules, with the threshold that the model page sets', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    const [id, native] = expected[0];
    const [task, threshold] = [1, 0.25];
    const all = expected.map(([, { probabilities }]) => probabilities[task]);
    const [low, high] = [Math.min(...all), Math.max(...all)];
    await page.goto(address(`${molecule(id)}&threshold=${encodeURIComponent(`${threshold} ${tasks[task]}`)}`));
    await finished(page);
    const place = page.locator('#tasks td.place').nth(task);
    const words = await place.locator('[role=img]').getAttribute('aria-label');
    const side = native.probabilities[task] >= threshold ? 'reaches' : 'below';
    const said = `${native.probabilities[task].toFixed(3)} among ${all.length} molecules (${low.toFixed(3)} to ${high.toFixed(3)}): percentile `;
    assert.ok(words.startsWith(said) && words.endsWith(`${side} the threshold 0.250`), `${words}\n${said}`);
    // Both marks stand where the numbers say, on an axis from the lowest to the highest.
    const drawn = await place.locator('svg').evaluate((svg) => {
      const x = (name) => svg.querySelector(name)?.getBBox().x;
      const ground = svg.querySelector('.ground').getBBox();
      return { here: (x('.here') - ground.x) / ground.width, threshold: (x('.threshold') - ground.x) / ground.width, bars: svg.querySelector('.all').getAttribute('d').split('M').length - 1 };
    });
    const share = (value) => (value - low) / (high - low);
    assert.ok(Math.abs(drawn.here - share(native.probabilities[task])) < 0.01, JSON.stringify(drawn));
    if (threshold > low && threshold < high) assert.ok(Math.abs(drawn.threshold - share(threshold)) < 0.01, JSON.stringify(drawn));
    assert.ok(drawn.bars > 1);
    assert.equal(await page.locator('#tasks [data-threshold]').nth(0).textContent().then((text) => text.endsWith('threshold 0.500')), true);
  });
});

test('what is looked at in the map is highlighted in space, and the other way round', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    const [id, { conformers }] = expected[0];
    await page.goto(address(molecule(id)));
    await finished(page);
    const viewer = page.locator(`#viewer[data-shown="${conformers.length}"]`);
    await viewer.locator('canvas').waitFor();
    const picture = async () => (await page.locator('#viewer').screenshot()).toString('base64');
    await page.locator('#selected').hover();
    const plain = await picture();
    // From the map: the pointer on a cell, of all shown and of one shown.
    await page.locator('#weight-1-2').hover();
    await page.locator('#viewer[data-looked="2"][data-chosen="0"]').waitFor();
    assert.notEqual(await picture(), plain, 'the conformer under the pointer is drawn thicker');
    await page.locator('#overlay').uncheck();
    await page.locator('#weight-1-2').hover();
    await page.locator('#viewer[data-looked="2"][data-shown="2"]').waitFor();
    await page.locator('#overlay').check();
    // The focus in the map is a choice.
    await page.locator('#weight-0-0').focus();
    await page.keyboard.press('ArrowRight');
    await page.locator('#viewer[data-chosen="1"]').waitFor();
    // From space, by keys and by the pointer.
    await page.locator('#viewer').focus();
    await page.keyboard.press('n');
    await page.locator('#attention td#weight-0-2[aria-selected=true]').waitFor();
    await page.keyboard.press('p');
    await page.locator('#attention td#weight-0-1[aria-selected=true]').waitFor();
    await page.locator('#viewer').scrollIntoViewIfNeeded();
    const box = await page.locator('#viewer').boundingBox();
    const looked = page.locator('#attention td.looked');
    // The viewer asks what is under the pointer once it rests.
    const rests = async (x, y) => {
      await page.mouse.move(box.x + x * box.width, box.y + y * box.height);
      return looked.first().waitFor({ timeout: 700 }).then(() => true, () => false);
    };
    let found = false;
    for (let y = 0.35; y < 0.7 && !found; y += 0.06) {
      for (let x = 0.2; x < 0.85 && !found; x += 0.06) found = await rests(x, y);
    }
    assert.ok(found, 'a conformer under the pointer is marked in the map');
    const number = Number(await page.locator('#viewer').getAttribute('data-looked'));
    assert.deepEqual(await looked.evaluateAll((cells) => cells.map(({ id }) => id)), tasks.map((_, task) => `weight-${task}-${number}`));
  });
});

test('conformers stand in space, linked to the map in both directions', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    const [id, { conformers }] = expected[0];
    await page.goto(address(molecule(id)));
    await finished(page);
    const shown = (count) => page.locator(`#viewer[data-shown="${count}"] canvas`).waitFor();
    await shown(conformers.length);
    await page.locator('#weight-0-2').click();
    await page.getByText(`Conformer ${conformers[2]};`).waitFor();
    await page.locator('#overlay').uncheck();
    await shown(1);
    // Something is drawn, and it turns.
    const picture = () => page.locator('#viewer').screenshot();
    const before = await picture();
    await page.locator('#viewer').focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    assert.ok(!(await picture()).equals(before), 'the arrow keys turn it');
    // From space to the map: whatever conformer is hit, it is chosen.
    await page.locator('#overlay').check();
    await shown(conformers.length);
    await page.locator('#weight-0-0').click();
    const box = await page.locator('#viewer').boundingBox();
    const others = page.locator('#attention td[aria-selected=true]:not(#weight-0-0)');
    search: for (let y = 0.3; y < 0.75; y += 0.05) {
      for (let x = 0.15; x < 0.9; x += 0.05) {
        await page.mouse.click(box.x + x * box.width, box.y + y * box.height);
        if (await others.count()) break search;
      }
    }
    assert.equal(await others.count(), 1, 'a click on a conformer chooses it in the map');
  });
});

test('without WebGL a sentence stands in place of the conformers, and all else works', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await page.addInitScript(() => {
      const original = HTMLCanvasElement.prototype.getContext;
      HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
        return kind.startsWith('webgl') ? null : original.call(this, kind, ...rest);
      };
    });
    await page.goto(address(molecule(expected[0][0])));
    await page.locator('#no-3d', { hasText: 'this browser offers no WebGL' }).waitFor();
    await finished(page);
    await page.locator('#weight-0-1').click();
  });
});

test('beside the table, 3D comes on demand', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    const asked = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.goto(address());
    await finished(page);
    assert.ok(!asked.some((url) => url.includes('3Dmol')));
    await page.locator('#show-3d').click();
    await page.locator('#viewer canvas').first().waitFor();
  });
});

test('the program that reads coordinates is fetched again, and replaced when it falls over', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    // The browser says in the console what it did not get.
    page.removeAllListeners('console');
    const program = '**/coordinates_bg.wasm';
    await page.context().route(program, (route) => route.abort());
    await page.goto(address(molecule(expected[0][0])));
    await page.locator('.space', { hasText: 'The coordinates cannot be read: the program that reads them cannot be loaded' }).waitFor();
    await finished(page);
    const next = async () => {
      const before = await page.locator('#selected').textContent();
      await page.locator('#attention td[tabindex="0"]').press('PageDown');
      await page.waitForFunction((before) => document.querySelector('#selected').textContent !== before, before);
      await page.locator('#viewer[data-shown] canvas').first().waitFor();
    };
    await page.context().unroute(program);
    await next();
    const readers = async () => {
      const names = await Promise.all(page.workers().map(async (worker) => [await worker.evaluate(() => self.name), worker]));
      return names.filter(([name]) => name === 'coordinates').map(([, worker]) => worker);
    };
    const [reader, ...others] = await readers();
    assert.deepEqual(others, []);
    const gone = reader.waitForEvent('close');
    await reader.evaluate(() => {
      setTimeout(() => {
        throw new Error('it falls');
      });
    });
    await gone;
    await next();
    assert.equal((await readers()).length, 1);
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
      await page.locator('#viewer[data-shown] canvas').first().waitFor();
      await page.locator('#weight-1-2').click();
      await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.ok(!wide, `${name}: the page is wider than its window`);
    });
  }
});
