// What the page shows, and how it compares with what the native program says.
import assert from 'node:assert/strict';

/** How far the page may be from the native program. */
const TOLERANCE = 1e-5;

/** Waits until every molecule is predicted, and the one that is looked at shows it. */
export async function finished(page) {
  await page.locator('#status[data-finished=true]').waitFor({ timeout: 300_000 });
  await page.locator('.attention[aria-busy=true]').waitFor({ state: 'detached' });
}

/** What the page shows of the selected molecule, in full precision; no spread is `null`. */
export function readMolecule(page) {
  return page.evaluate(() => {
    const value = (cell) => Number(cell.dataset.value);
    const std = (cell) => ('std' in cell.dataset ? Number(cell.dataset.std) : null);
    const texts = (cells) => [...cells].map((cell) => cell.textContent);
    const rows = (selector) => [...document.querySelectorAll(selector)];
    return {
      id: document.querySelector('#selected').textContent,
      probabilities: rows('#tasks td.task').map(value),
      probabilityStd: rows('#tasks td.task').map(std),
      conformers: texts(rows('#attention thead th').slice(1)),
      attention: rows('#attention tbody tr').map((row) => [...row.querySelectorAll('td')].map(value)),
      attentionStd: rows('#attention tbody tr').map((row) => [...row.querySelectorAll('td')].map(std)),
    };
  });
}

/** Checks numbers one by one; returns the largest difference. */
export function assertClose(found, wanted, what) {
  assert.equal(found.length, wanted.length, `${what}: length`);
  const differences = found.map((value, index) => Math.abs(value - wanted[index]));
  differences.forEach((difference, index) => {
    assert.ok(difference <= TOLERANCE, `${what}[${index}]: ${found[index]} in the page, ${wanted[index]} natively`);
  });
  return Math.max(...differences);
}
