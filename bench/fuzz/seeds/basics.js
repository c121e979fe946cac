/** What small valid files are made of: numbers, arrays, archives. */
import { zipSync } from 'fflate';
import { randomStream } from '../../../dist/random.js';

export const encoder = new TextEncoder();

/** Random numbers around 0. */
export function normals(count, name, scale = 0.5) {
  const random = randomStream(7, name);
  return Float32Array.from({ length: count }, () => scale * random.normal());
}

export const bytesOf = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
export const sizeOf = (shape) => shape.reduce((product, size) => product * size, 1);

/** A .npy file, version 1. */
export function npy(descr, shape, array) {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const header = `${dict.padEnd(117)}\n`;
  const head = new Uint8Array(10);
  head.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  new DataView(head.buffer).setUint16(8, header.length, true);
  return Uint8Array.from(Buffer.concat([head, encoder.encode(header), bytesOf(array)]));
}

/** A zip archive; every other member is stored, the others are deflated. */
export function zip(members) {
  const entries = Object.entries(members).map(([name, bytes], i) => [
    name,
    [bytes, { level: i % 2 === 0 ? 6 : 0 }],
  ]);
  return zipSync(Object.fromEntries(entries), { mtime: '2024-01-01T00:00:00' });
}

/** A tar archive (POSIX ustar). */
export function tar(members) {
  const parts = Object.entries(members).flatMap(([name, bytes]) => {
    const head = new Uint8Array(512);
    const put = (text, at) => head.set(encoder.encode(text), at);
    const octal = (number, digits) => `${number.toString(8).padStart(digits, '0')}\0`;
    put(name, 0);
    put(octal(0o644, 7), 100);
    put(octal(0, 7), 108);
    put(octal(0, 7), 116);
    put(octal(bytes.length, 11), 124);
    put(octal(0, 11), 136);
    put('        ', 148);
    put('0', 156);
    put('ustar\x0000', 257);
    put(
      `${octal(
        head.reduce((sum, byte) => sum + byte, 0),
        6,
      )} `,
      148,
    );
    return [head, bytes, new Uint8Array((512 - (bytes.length % 512)) % 512)];
  });
  return Uint8Array.from(Buffer.concat([...parts, new Uint8Array(1024)]));
}
