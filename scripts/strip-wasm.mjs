// Takes the names and notes of tools out of wasm files: strip-wasm.mjs FILE...
import { readFileSync, writeFileSync } from 'node:fs';

/** The id of a section that is not for the browser: https://webassembly.github.io/spec/core/binary/modules.html */
const CUSTOM = 0;

for (const path of process.argv.slice(2)) {
  const bytes = readFileSync(path);
  // Magic number and version.
  const kept = [bytes.subarray(0, 8)];
  let at = 8;
  while (at < bytes.length) {
    const start = at;
    const id = bytes[at++];
    let size = 0;
    for (let shift = 0, more = true; more; shift += 7) {
      const byte = bytes[at++];
      size += (byte & 0x7f) * 2 ** shift;
      more = byte > 0x7f;
    }
    at += size;
    if (id !== CUSTOM) kept.push(bytes.subarray(start, at));
  }
  writeFileSync(path, Buffer.concat(kept));
}
