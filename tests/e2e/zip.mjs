// Bundles that no writer makes: the members of a ZIP archive taken out, changed and put together again.
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;

/** The members of an archive, in order: name → bytes. */
export function unzip(archive) {
  const members = new Map();
  const end = archive.length - 22;
  let at = archive.readUInt32LE(end + 16);
  for (let count = archive.readUInt16LE(end + 10); count > 0; count -= 1) {
    const [method, nameLength, extraLength, commentLength] = [10, 28, 30, 32].map((field) =>
      archive.readUInt16LE(at + field),
    );
    const [size, local] = [20, 42].map((field) => archive.readUInt32LE(at + field));
    const name = archive.toString('utf8', at + 46, at + 46 + nameLength);
    const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
    const data = archive.subarray(start, start + size);
    members.set(name, method === 8 ? inflateRawSync(data) : data);
    at += 46 + nameLength + extraLength + commentLength;
  }
  return members;
}

/** An archive of members, uncompressed if nothing else is asked for. */
export function zip(members, { deflate = false } = {}) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [name, bytes] of members) {
    // Fields that a local header and the directory share, from "version needed" to "length of extra fields".
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    const stored = deflate ? deflateRawSync(bytes, { level: 1 }) : bytes;
    shared.writeUInt16LE(deflate ? 8 : 0, 4);
    shared.writeUInt32LE(crc32(bytes), 10);
    shared.writeUInt32LE(stored.length, 14);
    shared.writeUInt32LE(bytes.length, 18);
    shared.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([number(LOCAL), shared, Buffer.from(name), stored]);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    directory.push(number(CENTRAL), Buffer.from([20, 0]), shared, place, Buffer.from(name));
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(END, 0);
  end.writeUInt16LE(members.size, 8);
  end.writeUInt16LE(members.size, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, central, end]);
}

function number(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
