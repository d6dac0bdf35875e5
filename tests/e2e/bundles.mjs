// The bundles that the tests open, written by the native program, and what that program predicts for them.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { unzip, zip } from './zip.mjs';

export const ROOT = resolve(import.meta.dirname, '../..');
export const OPTIMIL = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug/optimil');

const imported = join(ROOT, 'trainer/tests/fixtures/imported');
const tables = join(ROOT, 'data/chromophores');
const features = [
  ['--feat2d', join(tables, 'feat2d_scaled.csv.gz')],
  ['--feat3d', join(tables, 'feat3d_scaled.csv.gz')],
  ['--feat3d-qm', join(tables, 'feat3d_qm_scaled.csv.gz')],
].flat();
/** The words that name the tables of what `writeTrained` trains on. */
export const inputsOfTrained = () => ['--labels', join(tables, 'labels.csv'), ...features];

const inputs = ['--labels', join(imported, 'labels.csv'), ...features];

/** Writes the bundles into a folder of their own. */
export function writeBundles() {
  const folder = mkdtempSync(join(tmpdir(), 'optimil-'));
  const file = (name) => join(folder, name);
  const optimil = (...words) => execFileSync(OPTIMIL, words, { stdio: ['ignore', 'ignore', 'inherit'] });
  optimil('import', join(imported, 'model.ckpt'), ...inputs, '-o', file('model.optimil'));
  optimil('predict', file('model.optimil'), ...inputs, '--device', 'cpu', '-o', file('predictions.csv'));

  const good = readFileSync(file('model.optimil'));
  writeFileSync(file('truncated.optimil'), good.subarray(0, Math.floor(good.length * 0.6)));
  writeFileSync(file('tampered.optimil'), changed(good, { 'weights.safetensors': flipped }));
  writeFileSync(file('newer.optimil'), changed(good, { 'manifest.json': manifest((m) => (m.format_version.major = 99)) }));
  writeFileSync(file('picture.optimil'), Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'));
  writeFileSync(file('foreign.zip'), zip(new Map([['readme.txt', Buffer.from('something else')]])));
  const members = ['molecules.json', 'features.safetensors'];
  const alone = manifest((m) => members.forEach((name) => delete m.members[name]));
  const without = Object.fromEntries(members.map((name) => [name, null]));
  writeFileSync(file('alone.optimil'), changed(good, { ...without, 'manifest.json': alone }));
  const bare = manifest((m) => delete m.members['features.safetensors']);
  writeFileSync(file('bare.optimil'), changed(good, { 'features.safetensors': null, 'manifest.json': bare }));
  writeFileSync(file('huge.optimil'), '');
  truncateSync(file('huge.optimil'), 1.6e9);
  return { folder, file, remove: () => rmSync(folder, { recursive: true }) };
}

/** Writes a bundle whose conformers have coordinates, and one with SMILES that are none. */
export function writeMolecules() {
  const folder = mkdtempSync(join(tmpdir(), 'optimil-'));
  const file = (name) => join(folder, name);
  const optimil = (...words) => execFileSync(OPTIMIL, words, { stdio: ['ignore', 'ignore', 'inherit'] });
  const conformers = ['--conformers', join(tables, 'conformers.sdf.gz')];
  optimil('import', join(imported, 'model.ckpt'), ...inputs, ...conformers, '-o', file('model.optimil'));
  optimil('predict', file('model.optimil'), ...inputs, '--device', 'cpu', '-o', file('predictions.csv'));
  const good = readFileSync(file('model.optimil'));
  const molecules = JSON.parse(unzip(good).get('molecules.json'));
  const source = structuredClone(molecules);
  molecules[0].smiles = 'C1CC';
  molecules[1].smiles = 'C'.repeat(401);
  const bytes = Buffer.from(JSON.stringify(molecules));
  const listed = manifest((m) => {
    m.members['molecules.json'] = { size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  });
  writeFileSync(file('odd.optimil'), changed(good, { 'molecules.json': () => bytes, 'manifest.json': listed }));
  return { folder, file, molecules, source, remove: () => rmSync(folder, { recursive: true }) };
}

/** What the native program says of the molecules of a bundle: [molecule ID]: { tasks, conformers, curves }, rows of its tables. */
export function explainNatively({ file }, bundle) {
  const path = (part) => file(`${bundle}${part}.csv`);
  const words = ['explain', file(bundle), '--device', 'cpu', '--curves', '-o', path('')];
  execFileSync(OPTIMIL, words, { stdio: ['ignore', 'ignore', 'inherit'] });
  const read = (part) => {
    const [header, ...lines] = readFileSync(path(part), 'utf8').trim().split('\n').map((line) => line.split(','));
    return lines.map((line) => Object.fromEntries(header.map((name, at) => [name, line[at]])));
  };
  const molecules = new Map();
  const of = (row) => {
    const { ID: id } = row;
    if (!molecules.has(id)) molecules.set(id, { id, tasks: [], conformers: [], curves: [] });
    return molecules.get(id);
  };
  read('_summary').forEach((row) => of(row).tasks.push(row));
  read('').forEach((row) => of(row).conformers.push(row));
  read('_curves').forEach((row) => of(row).curves.push(row));
  return molecules;
}

/** The bundle with some members changed; a change of `null` leaves the member out. */
function changed(bundle, changes) {
  const members = unzip(bundle);
  for (const [name, change] of Object.entries(changes)) {
    if (change) members.set(name, change(Buffer.from(members.get(name))));
    else members.delete(name);
  }
  return zip(members);
}

const flipped = (bytes) => {
  bytes[bytes.length >> 1] ^= 1;
  return bytes;
};

/** A change of the manifest. */
const manifest = (change) => (bytes) => {
  const value = JSON.parse(bytes);
  change(value);
  return Buffer.from(JSON.stringify(value));
};

/** A small model trained on the chromophores for some epochs: its run folder, with the bundle `model.optimil`. */
function trainSmall(folder, seed, mol_hidden, more = []) {
  const size = { mol_layers: 2, inst_hidden: 32, inst_layers: 2, proj_dim: 32, attn_heads: 4, mixer_hidden: 32 };
  const parameters = { ...size, mol_hidden, mixer_layers: 2, head_num_layers: 1, lr: 0.003 };
  writeFileSync(`${folder}.json`, JSON.stringify(parameters));
  const run = ['--schema', join(tables, 'schema.toml'), '--params', `${folder}.json`, '--seed', String(seed)];
  const labels = ['--labels', join(tables, 'labels.csv')];
  const words = ['train', ...labels, ...features, ...more, ...run, '--device', 'cpu', '--max-epochs', '3', '-o', folder];
  execFileSync(OPTIMIL, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  return folder;
}

/**
 * Two models trained on the same molecules with other seeds, `first.optimil` and `second.optimil`; the second says that its
 * parameters come from a search. `run` is the run folder of the first.
 */
export function writeTrained() {
  const folder = mkdtempSync(join(tmpdir(), 'optimil-'));
  const file = (name) => join(folder, name);
  const run = trainSmall(file('run'), 0, 32);
  const first = readFileSync(join(run, 'model.optimil'));
  writeFileSync(file('first.optimil'), first);
  const second = readFileSync(join(trainSmall(file('other'), 1, 48), 'model.optimil'));
  writeFileSync(file('second.optimil'), changed(second, { 'manifest.json': manifest((m) => (m.search = SEARCH)) }));
  const unlabelled = (bytes) => {
    const molecules = JSON.parse(bytes);
    molecules.forEach((molecule) => delete molecule.labels);
    return Buffer.from(JSON.stringify(molecules));
  };
  writeFileSync(file('unlabelled.optimil'), changedMember(first, 'molecules.json', unlabelled));
  return { folder, file, run, remove: () => rmSync(folder, { recursive: true }) };
}

/**
 * A trained bundle as a chemist gets one, with labels and coordinates of conformers: `model.optimil`, and what the native
 * program predicts (`predictions.csv`).
 */
export function writeStory() {
  const folder = mkdtempSync(join(tmpdir(), 'optimil-'));
  const file = (name) => join(folder, name);
  const run = trainSmall(file('run'), 0, 32, ['--conformers', join(tables, 'conformers.sdf.gz')]);
  writeFileSync(file('model.optimil'), readFileSync(join(run, 'model.optimil')));
  const words = ['--labels', join(tables, 'labels.csv'), ...features, '--split', 'leaderboard', '--device', 'cpu'];
  execFileSync(OPTIMIL, ['predict', file('model.optimil'), ...words, '-o', file('predictions.csv')], { stdio: ['ignore', 'ignore', 'pipe'] });
  const members = unzip(readFileSync(file('model.optimil')));
  const molecules = JSON.parse(members.get('molecules.json'));
  const tasks = JSON.parse(members.get('manifest.json')).schema.task.map(({ name }) => name);
  return { folder, file, molecules, tasks, remove: () => rmSync(folder, { recursive: true }) };
}

/** A search of seven trials, two of them given up, one failed. */
export const SEARCH = {
  study: 'dyes',
  best_trial: 3,
  best_value: 0.41,
  trials: [0.2, 0.31, 0.25, 0.41, 0.1, 0.05, null].map((value, number) => ({
    number,
    state: value === null ? 'FAIL' : number > 3 ? 'PRUNED' : 'COMPLETE',
    ...(value === null ? {} : { value }),
  })),
  importance: [
    { parameter: 'lr', share: 0.7, interval: { low: 0.5, high: 0.85 } },
    { parameter: 'mixer_dropout', share: 0.3, interval: { low: 0.1, high: 0.5 } },
  ],
};

/** The bundle with one member changed, and the manifest telling so. */
function changedMember(bundle, name, change) {
  const bytes = change(Buffer.from(unzip(bundle).get(name)));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const told = manifest((m) => (m.members[name] = { size: bytes.length, sha256 }));
  return changed(bundle, { [name]: () => bytes, 'manifest.json': told });
}

/** Trains three small models with different seeds, joins them, and predicts with them all. */
export function writeEnsemble() {
  const folder = mkdtempSync(join(tmpdir(), 'optimil-'));
  const file = (name) => join(folder, name);
  const optimil = (...words) => execFileSync(OPTIMIL, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  const labels = ['--labels', join(tables, 'labels.csv')];
  const members = [0, 1, 2].map((seed) => join(trainSmall(file(`seed ${seed}`), seed, 32 + 16 * seed), 'model.optimil'));
  optimil('ensemble', ...members, '-o', file('ensemble.optimil'));
  const split = ['--split', 'leaderboard', '--device', 'cpu', '--members'];
  optimil('predict', file('ensemble.optimil'), ...labels, ...features, ...split, '-o', file('predictions.csv'));
  const good = readFileSync(file('ensemble.optimil'));
  writeFileSync(file('tampered.optimil'), changed(good, { 'weights.1.safetensors': flipped }));
  return { folder, file, remove: () => rmSync(folder, { recursive: true }) };
}

/** The tasks of a table of `optimil predict` of one model, in their order. */
export function readTasks(path) {
  const header = readFileSync(path, 'utf8').split('\n', 1)[0].split(',');
  return header.flatMap((name) => /^pred_(.+)$/.exec(name)?.[1] ?? []);
}

/**
 * The predictions of a table of `optimil predict`: by ID, probabilities [T] and attention [T][N]; of an ensemble
 * also their standard deviations, and the probabilities of each member [M][T].
 */
export function readPredictions(path) {
  const [header, ...lines] = readFileSync(path, 'utf8').trim().split('\n').map((line) => line.split(','));
  const tasks = header.flatMap((name) => /^pred_(?!std_)([^[]+)$/.exec(name)?.[1] ?? []);
  const members = [...new Set(header.flatMap((name) => /\[(.+)\]$/.exec(name)?.[1] ?? []))];
  const columns = (name) => tasks.map((task) => header.indexOf(name(task))).filter((column) => column >= 0);
  const attention = columns((task) => `attn_${task}`);
  const attentionStd = columns((task) => `attn_std_${task}`);
  const molecules = new Map();
  for (const line of lines) {
    const numbers = (name) => columns(name).map((column) => Number(line[column]));
    const id = line[header.indexOf('ID')];
    const known = molecules.get(id) ?? {
      conformers: [],
      probabilities: numbers((task) => `pred_${task}`),
      probabilityStd: numbers((task) => `pred_std_${task}`),
      members: members.map((member) => numbers((task) => `pred_${task}[${member}]`)),
      attention: attention.map(() => []),
      attentionStd: attentionStd.map(() => []),
    };
    known.conformers.push(line[header.indexOf('conf_id')]);
    attention.forEach((column, task) => known.attention[task].push(Number(line[column])));
    attentionStd.forEach((column, task) => known.attentionStd[task].push(Number(line[column])));
    molecules.set(id, known);
  }
  return molecules;
}
