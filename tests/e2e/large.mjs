// Large bundles, made of the molecules of a small one again and again.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { unzip, zip } from './zip.mjs';

/** Molecules of the small bundle that are repeated: few enough that compression sees the repetition. */
const REPEATED = 20;

/** Writes a bundle of `count` molecules of one conformer each, with the model of the bundle at `from`, and coordinates if that
 * has some. */
export function writeLargeBundle(from, to, { count, deflate }) {
  const members = unzip(readFileSync(from));
  const tensors = members.get('features.safetensors');
  const start = 8 + Number(tensors.readBigUInt64LE(0));
  const header = JSON.parse(tensors.subarray(8, start));
  const repeated = (name) => {
    const { shape, data_offsets: [at] } = header[name];
    const row = shape[1] * 4;
    const once = tensors.subarray(start + at, start + at + REPEATED * row);
    const bytes = Buffer.alloc(count * row);
    for (let place = 0; place < bytes.length; place += once.length) once.copy(bytes, place);
    return { name, dtype: 'F32', shape: [count, shape[1]], bytes };
  };
  const offsets = Buffer.from(BigInt64Array.from({ length: count + 1 }, (_, place) => BigInt(place)).buffer);
  const bags = { name: 'bag_offsets', dtype: 'I64', shape: [count + 1], bytes: offsets };
  members.set('features.safetensors', safetensors([bags, repeated('x2d'), repeated('x3d')]));

  const small = JSON.parse(members.get('molecules.json'));
  const molecules = Array.from({ length: count }, (_, place) => {
    const { smiles, labels } = small[place % REPEATED];
    // Neither in the order of their names, nor all of one split.
    const id = `MOL-${(place * 7919) % count}`;
    return { id, smiles, labels, split: place % 10 ? 'train' : 'test', conformers: ['0'] };
  });
  members.set('molecules.json', Buffer.from(JSON.stringify(molecules)));

  if (members.has('conformers.sdf')) {
    const records = members.get('conformers.sdf').toString().split('$$$$\n').slice(0, -1);
    // The line behind the header of a property.
    const set = (record, name, value) => record.replace(new RegExp(`(<${name}>.*\\n).*`), (_, header) => header + value);
    const first = (id) => records.find((record) => new RegExp(`<ID>.*\\n${id}\\n`).test(record));
    const repeated = small.slice(0, REPEATED).map(({ id }) => set(first(id), 'conf_id', '0'));
    const named = molecules.map(({ id }, place) => `${set(repeated[place % REPEATED], 'ID', id)}$$$$\n`);
    members.set('conformers.sdf', Buffer.from(named.join('')));
  }

  const manifest = JSON.parse(members.get('manifest.json'));
  for (const name of Object.keys(manifest.members)) {
    const bytes = members.get(name);
    manifest.members[name] = { size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  }
  members.set('manifest.json', Buffer.from(JSON.stringify(manifest)));
  writeFileSync(to, zip(members, { deflate }));
}

function safetensors(tensors) {
  let end = 0;
  const header = {};
  for (const { name, dtype, shape, bytes } of tensors) {
    header[name] = { dtype, shape, data_offsets: [end, (end += bytes.length)] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded, ...tensors.map(({ bytes }) => bytes)]);
}
