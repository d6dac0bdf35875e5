// Chromium as the tests use it: with software WebGPU, or without any; a page that breaks the policy, leaves its
// origin or throws fails the test that opened it.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const SYSTEM_BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Starts Chromium. Without the flag it offers no WebGPU adapter where there is no GPU. */
export function launch({ webgpu }) {
  return chromium.launch({
    executablePath: SYSTEM_BROWSERS.find(existsSync),
    chromiumSandbox: false,
    args: webgpu ? ['--enable-unsafe-webgpu'] : [],
  });
}

/** A page that is watched; `faults()` lists what it did wrong. */
export async function watchedPage(browser, origin, options = {}) {
  // Only the test of the service worker has one: requests that it makes are not the page's.
  const context = await browser.newContext({ serviceWorkers: 'block', ...options });
  const page = await context.newPage();
  const faults = [];
  context.on('request', (request) => {
    const url = request.url();
    const local = url.startsWith(`${origin}/`) || url.startsWith('data:') || url.startsWith(`blob:${origin}/`);
    if (!local) faults.push(`request to ${url}`);
  });
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console: ${message.text()}`);
  });
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI}`);
    });
  });
  return { page, faults: () => faults };
}

/** Runs `use` with a page of a new browser and checks that the page did nothing wrong. */
export async function withPage({ webgpu = false, origin, ...options }, use) {
  const browser = await launch({ webgpu });
  try {
    const { page, faults } = await watchedPage(browser, origin, options);
    await use(page);
    assert.deepEqual(faults(), []);
  } finally {
    await browser.close();
  }
}

/** Whether a worker runs a model; another one draws structures. */
export const runsModel = (worker) => worker.url().includes('start-model');

/** The worker that runs the model. */
export const modelWorker = (page) => page.workers().find(runsModel);
