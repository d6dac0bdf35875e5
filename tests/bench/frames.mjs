// Frames of the page while 1,000 molecules are scored on the CPU. A program that prints a table, not a test.
//
//   node tests/bench/frames.mjs BUNDLE [RUNS]
//
// BUNDLE has molecules with features; the page is opened anew in each of the runs, ten unless told. Headless Chromium draws
// at 60 Hz: a frame that takes more than 1.5 of its 16.7 ms is counted as late, and what keeps the page's thread for more
// than 50 ms as a long task. The worker shares the machine with the page, so the number of cores matters.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch } from '../e2e/browser.mjs';
import { ROOT } from '../e2e/bundles.mjs';
import { writeLargeBundle } from '../e2e/large.mjs';
import { finished } from '../e2e/shown.mjs';
import { serveFolders } from '../e2e/site.mjs';

const MOLECULES = 1000;
const [bundle, runs = '10'] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'optimil-'));
writeLargeBundle(bundle, join(folder, 'large.optimil'), { count: MOLECULES, deflate: true });
const site = await serveFolders([join(ROOT, 'dist'), folder]);
try {
  console.log(`${MOLECULES} molecules, ${availableParallelism()} cores\n`);
  console.log('seconds   frames   late frames   longest frame, ms   long tasks');
  let steady = 0;
  for (let run = 0; run < Number(runs); run++) {
    const { seconds, frames, late, longest, slow } = await score();
    steady += late === 0;
    console.log(
      [
        seconds.toFixed(2).padStart(7),
        String(frames).padStart(8),
        String(late).padStart(13),
        longest.toFixed(1).padStart(19),
        String(slow).padStart(12),
      ].join(' '),
    );
  }
  console.log(`\nno late frame in ${steady} of ${runs} runs`);
} finally {
  site.close();
  rmSync(folder, { recursive: true });
}

/** Opens the page and waits until all molecules are scored. */
async function score() {
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
      new PerformanceObserver((list) => window.long.push(...list.getEntries().map(({ startTime }) => startTime))).observe({ type: 'longtask' });
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
    return {
      seconds: (to - from) / 1000,
      frames: gaps.length,
      late: gaps.filter((gap) => gap > 25).length,
      longest: Math.max(0, ...gaps),
      slow: long.filter((startTime) => startTime >= from).length,
    };
  } finally {
    await browser.close();
  }
}
