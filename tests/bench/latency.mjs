// Latency of a molecule of 32 conformers with all leave-one-out variants: the page's own worker against onnxruntime-web,
// running the same network in the same browser. A program that prints a table, not a test.
//
//   node tests/bench/latency.mjs BUNDLE MODEL.onnx
//
// BUNDLE has molecules with features; MODEL.onnx comes from export_onnx.py. onnxruntime-web gets 33 bags in one batch: the
// whole molecule, and the molecule without each conformer. The page asks for the same ("left out"), and embeds each conformer
// once, as only the model's own code can; the ratio is of these two. For comparison of the bare products, the worker is also
// given the 33 bags as molecules of their own ("33 bags"). The last column is what the page's whole truth test takes, which
// asks for much more: deletion and insertion of every task, and sixteen random orders, some 700 subsets in all.
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch } from '../e2e/browser.mjs';
import { ROOT } from '../e2e/bundles.mjs';
import { serveFolders } from '../e2e/site.mjs';
import { unzip, zip } from '../e2e/zip.mjs';

const CONFORMERS = 32;
const [bundle, onnx] = process.argv.slice(2);

/** Tensors of a safetensors file: name → { dtype, shape, bytes }. */
function readTensors(file) {
  const length = Number(file.readBigUInt64LE());
  const header = JSON.parse(file.toString('utf8', 8, 8 + length));
  return Object.fromEntries(
    Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(([name, { dtype, shape, data_offsets: [from, to] }]) => [
        name,
        { dtype, shape, bytes: Buffer.from(file.subarray(8 + length + from, 8 + length + to)) },
      ]),
  );
}

function writeTensors(tensors) {
  let offset = 0;
  const header = Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
      const entry = { dtype, shape, data_offsets: [offset, offset + bytes.length] };
      offset += bytes.length;
      return [name, entry];
    }),
  );
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...Object.values(tensors).map(({ bytes }) => bytes)]);
}

/** Conformers of the bags: all, then all but one of them. */
const BAGS = Array.from({ length: CONFORMERS + 1 }, (_, bag) =>
  Array.from({ length: CONFORMERS }, (_, at) => at).filter((at) => at !== bag - 1),
);

/** The bundle with a molecule of 32 conformers, put together from those of many, as 33 bags. */
function withVariants(archive) {
  const members = unzip(archive);
  const { x2d, x3d } = readTensors(members.get('features.safetensors'));
  const floats = ({ bytes }, count) => Buffer.from(bytes.subarray(0, 4 * count));
  const [wide, deep] = [x2d.shape[1], x3d.shape[1]];
  const row = (at) => x3d.bytes.subarray(4 * deep * at, 4 * deep * (at + 1));
  const ends = BAGS.map((bag, at) => BAGS.slice(0, at + 1).reduce((sum, { length }) => sum + length, 0));
  const offsets = Buffer.alloc(8 * (BAGS.length + 1));
  ends.forEach((end, at) => offsets.writeBigInt64LE(BigInt(end), 8 * (at + 1)));
  const instances = Buffer.concat(BAGS.flatMap((bag) => bag.map(row)));
  const molecule = floats(x2d, wide);
  const features = {
    x2d: { dtype: 'F32', shape: [BAGS.length, wide], bytes: Buffer.concat(BAGS.map(() => molecule)) },
    x3d: { dtype: 'F32', shape: [ends.at(-1), deep], bytes: instances },
    bag_offsets: { dtype: 'I64', shape: [BAGS.length + 1], bytes: offsets },
  };
  const molecules = BAGS.map((bag, at) => ({ id: `without ${at - 1}`, conformers: bag.map(String) }));
  members.set('features.safetensors', writeTensors(features));
  members.set('molecules.json', Buffer.from(JSON.stringify(molecules)));
  members.delete('conformers.sdf');
  const manifest = JSON.parse(members.get('manifest.json'));
  delete manifest.members['conformers.sdf'];
  for (const name of ['features.safetensors', 'molecules.json']) {
    const bytes = members.get(name);
    manifest.members[name] = { size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  }
  members.set('manifest.json', Buffer.from(JSON.stringify(manifest)));
  const values = ({ bytes }) => [...new Float32Array(new Uint8Array(bytes).buffer)];
  return { file: zip(members), x2d: values({ bytes: molecule }), x3d: values({ bytes: instances }), wide, deep };
}

const folder = mkdtempSync(join(tmpdir(), 'optimil-'));
const variants = withVariants(readFileSync(bundle));
writeFileSync(join(folder, 'variants.optimil'), variants.file);
writeFileSync(join(folder, 'model.onnx'), readFileSync(onnx));
writeFileSync(join(folder, 'blank.html'), '<!doctype html><title>Latency</title>');
const runtime = join(import.meta.dirname, 'node_modules/onnxruntime-web/dist');
const site = await serveFolders([join(ROOT, 'dist'), folder, runtime]);

const median = (times) => [...times].sort((a, b) => a - b)[times.length >> 1];

/**
 * Our worker without the page: it scores the bags after its warm-up, as it scores a table, and explains the whole molecule.
 * A worker scores once, so there is a new one for each time.
 */
function ours(page, device, repeats, explanations) {
  return page.evaluate(
    async ([address, device, conformers, repeats, explanations]) => {
      const bundle = await (await fetch(`${address}variants.optimil`)).blob();
      const times = [];
      const leftOut = [];
      const explained = [];
      let left;
      for (let repeat = 0; repeat < repeats; repeat += 1) {
        const worker = new Worker(`${address}start-model.js`, { type: 'module' });
        const heard = (name, complete = true) =>
          new Promise((resolve, reject) => {
            worker.addEventListener('message', ({ data }) => {
              if (data?.Crashed || data?.Refused) reject(new Error(JSON.stringify(data)));
              if (data === name || (data?.[name] && (data[name].complete ?? true) === complete)) resolve(data[name]);
            });
          });
        await heard('Started');
        const finished = heard('Finished');
        worker.postMessage({ Run: { bundle, device } });
        times.push(1000 * (await finished).seconds);
        for (let asked = 0; repeat === 0 && asked < explanations; asked += 1) {
          const start = performance.now();
          const [first, last] = [heard('Explained', false), heard('Explained')];
          worker.postMessage({ Explain: { molecule: 0, on: Array(conformers).fill(true) } });
          const [task] = (await first).tasks;
          leftOut.push(performance.now() - start);
          left = [task.probability, ...task.left_out.map(({ probability }) => probability)].map(({ mean }) => mean);
          await last;
          explained.push(performance.now() - start);
        }
        worker.terminate();
      }
      return { times, leftOut: leftOut.slice(1), explained: explained.slice(1), left };
    },
    [site.address, device, CONFORMERS, repeats, explanations],
  );
}

/** onnxruntime-web on the same 33 bags in one batch. */
function theirs(page, provider, repeats) {
  return page.evaluate(
    async ([address, provider, variants, bagsKept, repeats]) => {
      const ort = await import(`${address}${provider === 'webgpu' ? 'ort.webgpu.min.mjs' : 'ort.wasm.min.mjs'}`);
      ort.env.wasm.wasmPaths = address;
      ort.env.wasm.numThreads = 1;
      const bytes = await (await fetch(`${address}model.onnx`)).arrayBuffer();
      const session = await ort.InferenceSession.create(bytes, { executionProviders: [provider] });
      const { x2d: molecule, x3d: instances, wide, deep } = variants;
      const [bags, conformers] = [bagsKept.length, bagsKept[0].length];
      const x2d = Float32Array.from({ length: bags * wide }, (_, at) => molecule[at % wide]);
      const x3d = new Float32Array(bags * conformers * deep);
      const kpm = new Uint8Array(bags * conformers);
      let first = 0;
      bagsKept.forEach(({ length }, bag) => {
        x3d.set(instances.slice(first * deep, (first + length) * deep), bag * conformers * deep);
        kpm.fill(1, bag * conformers + length, (bag + 1) * conformers);
        first += length;
      });
      const feeds = {
        x2d: new ort.Tensor('float32', x2d, [bags, wide]),
        x3d: new ort.Tensor('float32', x3d, [bags, conformers, deep]),
        kpm: new ort.Tensor('bool', kpm, [bags, conformers]),
      };
      const times = [];
      let logits;
      for (let repeat = 0; repeat < repeats + 3; repeat += 1) {
        const start = performance.now();
        const output = await session.run(feeds);
        logits = await output.logits.getData();
        if (repeat >= 3) times.push(performance.now() - start);
      }
      const tasks = logits.length / bags;
      const probabilities = Array.from({ length: bags }, (_, bag) => 1 / (1 + Math.exp(-logits[bag * tasks])));
      return { times, probabilities };
    },
    [site.address, provider, { ...variants, file: undefined }, BAGS, repeats],
  );
}

try {
  const heads = ['device', 'left out, ms', 'onnxruntime-web, ms', 'ratio', 'largest difference', '33 bags, ms', 'truth test, ms'];
  const print = (cells) => console.log(cells.map((cell, at) => (at ? cell.padStart(heads[at].length) : cell.padEnd(16))).join('   '));
  print(heads);
  for (const [name, device, provider, repeats, explanations] of [
    ['CPU, one thread', 'Cpu', 'wasm', 15, 31],
    ['WebGPU', 'WebGpu', 'webgpu', 1, 3],
  ]) {
    const browser = await launch({ webgpu: provider === 'webgpu' });
    try {
      const page = await browser.newPage();
      await page.goto(`${site.address}blank.html`);
      const mine = await ours(page, device, repeats, explanations);
      const other = await theirs(page, provider, repeats);
      const difference = Math.max(...mine.left.map((value, at) => Math.abs(value - other.probabilities[at])));
      const [left, theirTime] = [median(mine.leftOut), median(other.times)];
      print([
        name,
        left.toFixed(1),
        theirTime.toFixed(1),
        (theirTime / left).toFixed(2),
        difference.toExponential(1),
        median(mine.times).toFixed(1),
        median(mine.explained).toFixed(0),
      ]);
    } finally {
      await browser.close();
    }
  }
} finally {
  site.close();
  rmSync(folder, { recursive: true });
}
