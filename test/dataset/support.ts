/** Data files made in memory, and the one assertion on errors. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Zippable, zipSync } from 'fflate';
import { expect, onTestFinished } from 'vitest';
import type { Labels, Split } from '../../src/dataset/dataset.js';
import { InputError } from '../../src/errors.js';

/** A directory with the files, by their path in it, removed when the test is over. */
export function directoryWith(files: Record<string, Uint8Array | string>): string {
  const directory = mkdtempSync(join(tmpdir(), 'prune-limit-dataset-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), content);
  }
  return directory;
}

/** A file of that name in a directory of its own. */
export function fileWith(name: string, content: Uint8Array | string): string {
  return join(directoryWith({ [name]: content }), name);
}

/** Asserts an InputError: its code, one line, and words that its message must hold. */
export async function expectInputError(
  action: () => unknown,
  code: string,
  ...words: (string | RegExp)[]
): Promise<void> {
  const error = await (async () => action())().then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(InputError);
  const { code: actualCode, message } = error as InputError;
  expect(`${actualCode}: ${message}`).toMatch(new RegExp(`^${code}: `));
  expect(message).not.toMatch(/[\n\r]/);
  for (const word of words) {
    expect(message).toMatch(word);
  }
}

/** An IDX file; `type` is 8 for uint8. */
export function idx(shape: readonly number[], values: ArrayLike<number>, type = 8): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + values.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0, 0, type, shape.length]);
  shape.forEach((size, axis) => {
    view.setUint32(4 + 4 * axis, size);
  });
  bytes.set(Array.from(values), 4 + 4 * shape.length);
  return bytes;
}

/** A .npy file with any header text and any bytes as its data. */
export function npyRaw(header: string, data: Uint8Array, version = 1): Uint8Array {
  const text = new TextEncoder().encode(header);
  const start = version === 1 ? 10 : 12;
  const bytes = new Uint8Array(start + text.length + data.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  if (version === 1) {
    view.setUint16(8, text.length, true);
  } else {
    view.setUint32(8, text.length, true);
  }
  bytes.set(text, start);
  bytes.set(data, start + text.length);
  return bytes;
}

/** The header text that NumPy writes. */
export function npyHeader(dtype: string, shape: readonly number[], fortran = false): string {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  return `{'descr': '${dtype}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': ${tuple}, }          \n`;
}

type NumberArray =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigInt64Array;

/** A .npy file of a typed array's values. */
export function npy(
  dtype: string,
  shape: readonly number[],
  values: NumberArray | Uint16Array | Uint32Array,
): Uint8Array {
  return npyRaw(npyHeader(dtype, shape), new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

/** A .npz archive of members given without `.npy`. */
export function npz(members: Record<string, Uint8Array>, level: 0 | 6 = 6): Uint8Array {
  const files: Zippable = {};
  for (const [name, bytes] of Object.entries(members)) {
    files[`${name}.npy`] = bytes;
  }
  return zipSync(files, { level });
}

/** A header and content of a tar archive, in blocks of 512 bytes (POSIX ustar); `size` may lie. */
function tarEntry(name: string, content: Uint8Array, type: string, size: number): Uint8Array {
  const block = Buffer.alloc(512 + 512 * Math.ceil(content.length / 512));
  block.write(name, 0, 'latin1');
  block.write('0000644\0', 100);
  if (size >= 0) {
    block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  } else {
    // GNU's numbers of 256 digits: 0xff begins one below 0.
    block.fill(0xff, 124, 132).writeInt32BE(size, 132);
  }
  block.write('        ', 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  const sum = block.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  block.set(content, 512);
  return block;
}

/** A tar archive of files by their path. */
export function tar(
  files: Record<string, Uint8Array | string>,
  sizes: Record<string, number> = {},
): Uint8Array {
  const entries = Object.entries(files).map(([name, text]) => {
    const content = Buffer.from(text as Uint8Array);
    return tarEntry(name, content, name.endsWith('/') ? '5' : '0', sizes[name] ?? content.length);
  });
  return Buffer.concat([...entries, Buffer.alloc(1024)]);
}

/** A split with made-up class labels. */
export function splitWith(part: Partial<Split> & Pick<Split, 'count' | 'shape' | 'values'>): Split {
  const labels: Labels = {
    kind: 'classes',
    values: Int32Array.from({ length: part.count }, (_, i) => i % 3),
    classCount: 3,
  };
  return { layout: 'NHWC', byteImages: part.values instanceof Uint8Array, labels, ...part };
}
