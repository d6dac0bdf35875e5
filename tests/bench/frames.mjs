// Frames of the page while 1,000 molecules are scored on the CPU. A program that prints a table, not a test.
//
//   node tests/bench/frames.mjs BUNDLE
//
// BUNDLE has molecules with features. Headless Chromium draws at 60 Hz: a frame that takes more than 1.5 of its 16.7 ms
// is counted as late, and what keeps the page's thread for more than 50 ms as a long task. The worker shares the machine
// with the page, so the number of cores matters.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch } from '../e2e/browser.mjs';
import { ROOT } from '../e2e/bundles.mjs';
import { writeLargeBundle } from '../e2e/large.mjs';
import { finished } from '../e2e/shown.mjs';
import { serveFolders } from '../e2e/site.mjs';

const MOLECULES = 1000;
const folder = mkdtempSync(join(tmpdir(), 'optimil-'));
writeLargeBundle(process.argv[2], join(folder, 'large.optimil'), { count: MOLECULES, deflate: true });
const site = await serveFolders([join(ROOT, 'dist'), folder]);
const browser = await launch({ webgpu: false });
try {
  const page = await browser.newPage();
  await page.addInitScript(() => {
    window.drawn = [];
    window.long = [];
    const next = (time) => {
      window.drawn.push(time);
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
    new PerformanceObserver((list) => window.long.push(...list.getEntries().map(({ startTime, duration }) => ({ startTime, duration })))).observe({ type: 'longtask' });
  });
  await page.goto(`${site.address}?bundle=large.optimil&device=cpu`);
  await finished(page);
  const { times, long, from, to } = await page.evaluate(() => {
    const at = (name) => performance.getEntriesByName(name)[0]?.startTime ?? 0;
    return { times: window.drawn, long: window.long, from: at('prediction'), to: performance.now() };
  });
  // The frame that the first prediction comes in is one of them.
  const begin = times.findLast((time) => time < from);
  const within = times.filter((time) => time >= begin && time <= to);
  const gaps = within.slice(1).map((time, index) => time - within[index]);
  const late = gaps.filter((gap) => gap > 25);
  const slow = long.filter(({ startTime }) => startTime >= from);
  console.log('molecules   seconds   frames   late frames   longest frame, ms   long tasks   cores');
  console.log(
    [
      String(MOLECULES).padEnd(9),
      ((to - from) / 1000).toFixed(2).padStart(9),
      String(gaps.length).padStart(8),
      String(late.length).padStart(13),
      Math.max(0, ...gaps).toFixed(1).padStart(19),
      String(slow.length).padStart(12),
      String(availableParallelism()).padStart(7),
    ].join(' '),
  );
} finally {
  await browser.close();
  site.close();
  rmSync(folder, { recursive: true });
}
