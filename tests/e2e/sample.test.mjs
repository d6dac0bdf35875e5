// The sample that comes with the page: what somebody without a bundle looks at.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { withPage } from './browser.mjs';
import { ROOT } from './bundles.mjs';
import { serveFolders } from './site.mjs';

const SCREENSHOTS = join(ROOT, 'tests/screenshots');

let site;

before(async () => {
  site = await serveFolders([join(ROOT, 'dist')]);
  mkdirSync(SCREENSHOTS, { recursive: true });
});

after(() => site?.close());

test('the sample opens from the first page, and a link leads back to it', async () => {
  await withPage({ origin: site.origin, viewport: { width: 1440, height: 900 } }, async (page) => {
    await page.goto(`${site.address}?device=cpu`);
    await page.getByRole('button', { name: 'Open the sample' }).waitFor();
    await page.screenshot({ path: join(SCREENSHOTS, 'sample-welcome.png') });
    await page.getByRole('button', { name: 'Open the sample' }).click();
    await page.locator('#count', { hasText: '131' }).waitFor({ timeout: 60_000 });
    await page.locator('#molecules td.task[data-value]').first().waitFor({ timeout: 60_000 });
    const values = await page.locator('#molecules td.task[data-value]').evaluateAll((cells) => cells.map((cell) => Number(cell.dataset.value)));
    assert.ok(values.length > 0 && values.every((value) => value > 0 && value < 1), 'probabilities');
    await page.locator('#molecules tbody tr[aria-rowindex]').first().click();
    await page.locator('#truth .tests[aria-busy=false]').waitFor({ timeout: 60_000 });
    await page.screenshot({ path: join(SCREENSHOTS, 'sample.png') });
    const shown = await page.locator('#bundle-name').textContent();
    assert.equal(shown, 'sample.optimil');
  });
  await withPage({ origin: site.origin }, async (page) => {
    await page.goto(`${site.address}?bundle=sample.optimil&device=cpu`);
    await page.locator('#count', { hasText: '131' }).waitFor({ timeout: 60_000 });
  });
});
