// Every screen and state, examined by axe-core: nothing serious stands in the way of a screen reader or a keyboard. A
// screenshot of each is left for people to look at, in every width and both colour schemes.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { examine } from './axe.mjs';
import { withPage } from './browser.mjs';
import { ROOT, readPredictions, writeBundles, writeMolecules } from './bundles.mjs';
import { finished } from './shown.mjs';
import { serveFolders } from './site.mjs';

const SCREENSHOTS = join(ROOT, 'tests/screenshots');

let broken;
let bundles;
let many;
let site;

before(async () => {
  broken = writeBundles();
  bundles = writeMolecules();
  // A molecule with much to see.
  const predictions = [...readPredictions(bundles.file('predictions.csv'))];
  [many] = predictions.reduce((a, b) => (b[1].conformers.length > a[1].conformers.length ? b : a));
  site = await serveFolders([join(ROOT, 'dist'), bundles.folder, broken.folder]);
  mkdirSync(SCREENSHOTS, { recursive: true });
});

after(() => {
  site?.close();
  bundles?.remove();
  broken?.remove();
});

/** What a screen is waited for. */
const READY = {
  Molecule: async (page) => {
    await page.locator('#truth .tests[aria-busy=false]').waitFor({ timeout: 60_000 });
    await page.locator('#viewer canvas').first().waitFor({ timeout: 60_000 });
  },
  Model: (page) => page.locator('.assessments[aria-busy=false]').first().waitFor({ timeout: 60_000 }),
  Compare: (page) => page.locator('.compare-page[aria-busy=false]').waitFor({ timeout: 60_000 }),
};

const screens = async (page) => {
  const links = page.getByRole('navigation').getByRole('link');
  return links.allTextContents();
};

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1440, 768, 360]) {
    test(`all screens in ${colorScheme} colours, ${width} px wide`, async () => {
      await withPage({ origin: site.origin, viewport: { width, height: 900 }, colorScheme }, async (page) => {
        const look = async (state) => {
          await examine(page, state);
          const name = `screen-${width}-${colorScheme}-${state.toLowerCase().replaceAll(/\W+/g, '-')}.png`;
          await page.screenshot({ path: join(SCREENSHOTS, name), fullPage: true });
        };
        await page.goto(`${site.address}?device=cpu`);
        await page.getByText('Open a model bundle').waitFor();
        await look('welcome');
        await page.goto(`${site.address}?bundle=model.optimil&compare=model.optimil&device=cpu#v=1&molecule=${many}`);
        await finished(page);
        await page.getByRole('button', { name: 'Columns' }).click();
        await look('molecules, columns');
        await page.getByRole('button', { name: 'Ranges' }).click();
        await page.getByRole('button', { name: 'Add a range' }).click();
        await look('molecules, ranges');
        await page.locator('#search').fill('nothing like this');
        await look('molecules, none found');
        await page.locator('#search').fill('');
        for (const name of await screens(page)) {
          await page.getByRole('navigation').getByRole('link', { name, exact: true }).click();
          await page.locator('nav a[aria-current=page]', { hasText: new RegExp(`^${name}$`) }).waitFor();
          await READY[name]?.(page);
          await look(name);
        }
      });
    });
  }
}

test('a sentence about a file that cannot be opened', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await page.goto(`${site.address}?bundle=truncated.optimil`);
    await page.locator('#trouble', { hasText: /incomplete or damaged/ }).waitFor();
    await examine(page, 'trouble');
  });
});
