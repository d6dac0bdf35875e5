// The bundles that the tests open, written by the native program, and what that program predicts for them.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../..');
export const OPTIMIL = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug/optimil');

const imported = join(ROOT, 'trainer/tests/fixtures/imported');
const tables = join(ROOT, 'data/chromophores');
const inputs = [
  ['--labels', join(imported, 'labels.csv')],
  ['--feat2d', join(tables, 'feat2d_scaled.csv.gz')],
  ['--feat3d', join(tables, 'feat3d_scaled.csv.gz')],
  ['--feat3d-qm', join(tables, 'feat3d_qm_scaled.csv.gz')],
].flat();

/** Writes the bundles into a folder of their own. */
export function writeBundles() {
  const folder = mkdtempSync(join(tmpdir(), 'optimil-'));
  const file = (name) => join(folder, name);
  const optimil = (...words) => execFileSync(OPTIMIL, words, { stdio: ['ignore', 'ignore', 'inherit'] });
  optimil('import', join(imported, 'model.ckpt'), ...inputs, '-o', file('model.optimil'));
  optimil('predict', file('model.optimil'), ...inputs, '--split', 'leaderboard', '-o', file('predictions.csv'));

  const good = readFileSync(file('model.optimil'));
  writeFileSync(file('truncated.optimil'), good.subarray(0, Math.floor(good.length * 0.6)));
  writeFileSync(file('tampered.optimil'), tamper(good, 'weights.safetensors'));
  writeFileSync(file('picture.optimil'), Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'));
  writeFileSync(file('empty.zip'), Buffer.concat([Buffer.from('PK\x05\x06', 'latin1'), Buffer.alloc(18)]));
  writeFileSync(file('huge.optimil'), '');
  truncateSync(file('huge.optimil'), 1.6e9);
  return { folder, file, remove: () => rmSync(folder, { recursive: true }) };
}

/** Changes one byte in the middle of a member's data. */
function tamper(bundle, member) {
  const bytes = Buffer.from(bundle);
  // The name stands behind the 30 bytes of its local header; elsewhere it is only mentioned.
  let name = bytes.indexOf(member);
  while (bytes.readUInt32LE(name - 30) !== 0x04034b50) name = bytes.indexOf(member, name + 1);
  const compressed = bytes.readUInt32LE(name - 30 + 18);
  bytes[name + member.length + Math.floor(compressed / 2)] ^= 1;
  return bytes;
}

/** The predictions of a table of `optimil predict`: by ID, probabilities [T] and attention [T][N]. */
export function readPredictions(path) {
  const [header, ...lines] = readFileSync(path, 'utf8').trim().split('\n').map((line) => line.split(','));
  const columns = (prefix) => header.flatMap((name, index) => (name.startsWith(prefix) ? [index] : []));
  const [probabilities, attention] = [columns('pred_'), columns('attn_')];
  const molecules = new Map();
  for (const line of lines) {
    const id = line[header.indexOf('ID')];
    const known = molecules.get(id) ?? {
      conformers: [],
      probabilities: probabilities.map((column) => Number(line[column])),
      attention: attention.map(() => []),
    };
    known.conformers.push(line[header.indexOf('conf_id')]);
    attention.forEach((column, task) => known.attention[task].push(Number(line[column])));
    molecules.set(id, known);
  }
  return molecules;
}
