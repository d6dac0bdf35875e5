// The page without a network, and a new version of it.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, watchedPage, withPage } from './browser.mjs';
import { ROOT, writeBundles } from './bundles.mjs';
import { finished } from './shown.mjs';
import { serveFolders } from './site.mjs';

let bundles;
let folder;
let site;

before(async () => {
  bundles = writeBundles();
  folder = mkdtempSync(join(tmpdir(), 'optimil-'));
  cpSync(join(ROOT, 'dist'), folder, { recursive: true });
  site = await serveFolders([folder, bundles.folder]);
});

after(() => {
  site?.close();
  bundles?.remove();
  rmSync(folder, { recursive: true });
});

/** Waits until a service worker of that version keeps the page. */
async function kept(page, version) {
  for (let found = ''; found !== `activated optimil-${version}`; await page.waitForTimeout(100)) {
    found = await page.evaluate(async () => {
      const { active } = await navigator.serviceWorker.ready;
      return `${active.state} ${(await caches.keys()).join()}`;
    });
  }
}

const versionOf = (text) => /const VERSION = '(.+)'/.exec(text)[1];

test('the page and the model run without a network, and a new version takes the place of the old one', { timeout: 60_000 }, async () => {
  const browser = await launch({ webgpu: false });
  try {
    const { page, faults } = await watchedPage(browser, site.origin, { serviceWorkers: 'allow' });
    await page.goto(`${site.address}?device=cpu`);
    const script = readFileSync(join(folder, 'service-worker.js'), 'utf8');
    await kept(page, versionOf(script));

    await page.context().setOffline(true);
    await page.reload();
    await page.locator('#file').setInputFiles(bundles.file('model.optimil'));
    await finished(page);

    await page.context().setOffline(false);
    const html = readFileSync(join(folder, 'index.html'), 'utf8');
    writeFileSync(join(folder, 'index.html'), html.replace('content="Opens an Optimil', 'content="Newer: opens an Optimil'));
    writeFileSync(join(folder, 'service-worker.js'), script.replace(versionOf(script), 'newer'));
    await page.reload();
    const description = () => page.locator('meta[name=description]').getAttribute('content');
    assert.match(await description(), /^Newer/, 'what is kept is not shown while there is a network');
    await kept(page, 'newer');
    await page.context().setOffline(true);
    await page.reload();
    assert.match(await description(), /^Newer/);
    await page.getByText('Open a model bundle').waitFor();
    assert.deepEqual(faults(), []);
  } finally {
    await browser.close();
  }
});

test('the page can be installed', async () => {
  await withPage({ origin: site.origin }, async (page) => {
    await page.goto(site.address);
    const session = await page.context().newCDPSession(page);
    const { errors, data } = await session.send('Page.getAppManifest');
    assert.deepEqual(errors, []);
    assert.equal(JSON.parse(data).name, 'Optimil explorer');
    const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
    const ids = installabilityErrors.map(({ errorId }) => errorId);
    assert.deepEqual(ids.filter((id) => id !== 'in-incognito'), []);
  });
});
