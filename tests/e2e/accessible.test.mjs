// Every screen and state, examined by axe-core: nothing serious stands in the way of a screen reader or a keyboard.
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { examine } from './axe.mjs';
import { withPage } from './browser.mjs';
import { ROOT, writeBundles } from './bundles.mjs';
import { finished } from './shown.mjs';
import { serveFolders } from './site.mjs';

let bundles;
let site;

before(async () => {
  bundles = writeBundles();
  site = await serveFolders([join(ROOT, 'dist'), bundles.folder]);
});

after(() => {
  site?.close();
  bundles?.remove();
});

const screens = async (page) => {
  const links = page.getByRole('navigation').getByRole('link');
  return links.allTextContents();
};

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1440, 360]) {
    test(`all screens in ${colorScheme} colours, ${width} px wide`, async () => {
      await withPage({ origin: site.origin, viewport: { width, height: 900 }, colorScheme }, async (page) => {
        await page.goto(`${site.address}?device=cpu`);
        await page.getByText('Open a model bundle').waitFor();
        await examine(page, 'welcome');
        await page.goto(`${site.address}?bundle=model.optimil&device=cpu`);
        await finished(page);
        await page.getByRole('button', { name: 'Columns' }).click();
        await examine(page, 'molecules, columns');
        await page.getByRole('button', { name: 'Ranges' }).click();
        await page.getByRole('button', { name: 'Add a range' }).click();
        await examine(page, 'molecules, ranges');
        await page.locator('#search').fill('nothing like this');
        await examine(page, 'molecules, none found');
        await page.locator('#search').fill('');
        for (const name of await screens(page)) {
          await page.getByRole('navigation').getByRole('link', { name, exact: true }).click();
          await page.locator('nav a[aria-current=page]', { hasText: new RegExp(`^${name}$`) }).waitFor();
          await examine(page, name);
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
