/**
 * The .npy format of NumPy: a signature, a version, a header that is a Python dict literal, and the values.
 * See https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
 */

import { InputError } from '../errors.js';
import { decodeFloat16 } from '../float16.js';
import { type Numbers, permuteAxes } from './axes.js';
import { quoted } from './quoted.js';
import { startsWith } from './signature.js';

/** `\x93NUMPY`. */
export const NPY_SIGNATURE = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59] as const;

/** NumPy itself refuses headers beyond 10,000 characters; real ones have about 100. */
const MAX_HEADER_BYTES = 10_000;

/** Element types that are read, as NumPy writes them: byte order, kind, bytes. */
export type NpyDtype = '|b1' | '|u1' | '|i1' | '<i2' | '<i4' | '<i8' | '<u2' | '<u4' | '<f2' | '<f4' | '<f8';

const ITEM_BYTES: Record<NpyDtype, number> = {
  '|b1': 1,
  '|u1': 1,
  '|i1': 1,
  '<i2': 2,
  '<i4': 4,
  '<i8': 8,
  '<u2': 2,
  '<u4': 4,
  '<f2': 2,
  '<f4': 4,
  '<f8': 8,
};

/** An array of a .npy file, in C order whatever its order in the file. */
export interface NpyArray {
  dtype: NpyDtype;
  shape: number[];
  /** `product(shape)` numbers: uint8 and bool as bytes, float64 and 64-bit integers as float64. */
  values: Numbers;
}

function fail(where: string, problem: string, remedy: string): never {
  throw new InputError('format/npy', `${where}: ${problem}; ${remedy}`);
}

/** The `key: value` pairs of the header, each value still as text. */
function parseHeaderFields(header: string, where: string): Map<string, string> {
  const body = /^\{(.*)\}\s*$/s.exec(header)?.[1];
  const fields = new Map<string, string>();
  const field = /\s*'(descr|fortran_order|shape)'\s*:\s*('[^'\\]*'|True|False|\([\d\s,]*\)|\[)\s*(?:,|$)?/y;
  let position = 0;
  while (body !== undefined && body.slice(position).trim() !== '') {
    field.lastIndex = position;
    const match = field.exec(body);
    if (!match || fields.has(match[1])) {
      fail(where, `unreadable .npy header ${quoted(header.trim())}`, 'save it again with numpy.savez');
    }
    if (match[2] === '[') {
      fail(where, 'holds records (a structured dtype)', 'save plain numeric arrays');
    }
    fields.set(match[1], match[2]);
    position = field.lastIndex;
  }
  if (fields.size !== 3) {
    fail(where, `unreadable .npy header ${quoted(header.trim())}`, 'save it again with numpy.savez');
  }
  return fields;
}

function parseDtype(text: string, where: string): NpyDtype {
  const dtype = text.slice(1, -1);
  if (Object.hasOwn(ITEM_BYTES, dtype)) {
    return dtype as NpyDtype;
  }
  if (dtype.startsWith('>')) {
    fail(where, `big-endian values (dtype ${quoted(dtype)})`, `save them with .astype('<${dtype.slice(1)}')`);
  }
  if (dtype.includes('O')) {
    fail(where, 'holds pickled Python objects, which are never loaded', 'save plain numeric arrays');
  }
  return fail(
    where,
    `unsupported dtype ${quoted(dtype)}`,
    "save it with .astype('float32') or .astype('int32')",
  );
}

function parseShape(text: string, where: string): number[] {
  const items = text
    .slice(1, -1)
    .split(',')
    .map((item) => item.trim());
  if (items.at(-1) === '') {
    items.pop();
  }
  const shape = items.map(Number);
  if (items.includes('') || !shape.every(Number.isSafeInteger)) {
    fail(where, `unreadable shape ${quoted(text)}`, 'save it again with numpy.savez');
  }
  return shape;
}

/** 64-bit integers as float64; labels and pixels are far below the 2^53 where that starts to round. */
function fromInt64(bytes: Uint8Array, where: string): Float64Array {
  const integers = new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
  const values = new Float64Array(integers.length);
  for (let i = 0; i < integers.length; i++) {
    values[i] = Number(integers[i]);
    if (!Number.isSafeInteger(values[i])) {
      fail(where, `value ${integers[i]} is too large`, 'save smaller integers or float64');
    }
  }
  return values;
}

function decode(dtype: NpyDtype, data: Uint8Array, where: string): NpyArray['values'] {
  // Typed arrays need aligned memory; NumPy aligns to 64 bytes, a crafted header need not.
  const bytes = data.byteOffset % ITEM_BYTES[dtype] === 0 ? data : data.slice();
  const length = bytes.byteLength / ITEM_BYTES[dtype];
  switch (dtype) {
    case '|b1':
    case '|u1':
      return bytes;
    case '|i1':
      return new Int8Array(bytes.buffer, bytes.byteOffset, length);
    case '<i2':
      return new Int16Array(bytes.buffer, bytes.byteOffset, length);
    case '<i4':
      return new Int32Array(bytes.buffer, bytes.byteOffset, length);
    case '<i8':
      return fromInt64(bytes, where);
    case '<u2':
      return new Uint16Array(bytes.buffer, bytes.byteOffset, length);
    case '<u4':
      return new Uint32Array(bytes.buffer, bytes.byteOffset, length);
    case '<f2':
      return decodeFloat16(new Uint16Array(bytes.buffer, bytes.byteOffset, length));
    case '<f4':
      return new Float32Array(bytes.buffer, bytes.byteOffset, length);
    case '<f8':
      return new Float64Array(bytes.buffer, bytes.byteOffset, length);
  }
}

/** Column-major values, which are the row-major ones of the transposed array, in row-major order. */
function fromFortranOrder(values: NpyArray['values'], shape: readonly number[]): NpyArray['values'] {
  const reversed = [...shape].reverse();
  return permuteAxes(
    values,
    reversed,
    reversed.map((_, axis) => shape.length - 1 - axis),
  );
}

/**
 * Reads a .npy file, versions 1 to 3, in C or Fortran order. The values share memory with `bytes` where they can.
 *
 * @param where file and array, for messages
 * @throws InputError for a damaged header, a type that is not read (big-endian, objects,
 *   records), or when the shape does not need exactly the bytes that follow the header
 */
export function parseNpy(bytes: Uint8Array, where: string): NpyArray {
  if (!startsWith(bytes, NPY_SIGNATURE) || bytes.length < 12) {
    fail(where, 'not a .npy array (its signature is missing)', 'save it again with numpy.savez');
  }
  const version = bytes[6];
  if (version < 1 || version > 3) {
    fail(where, `.npy version ${version}, only 1 to 3 are known`, 'save it again with numpy.savez');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerStart = version === 1 ? 10 : 12;
  const headerBytes = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const dataStart = headerStart + headerBytes;
  if (headerBytes > MAX_HEADER_BYTES || dataStart > bytes.length) {
    fail(
      where,
      `announces a header of ${headerBytes} bytes (limit ${MAX_HEADER_BYTES}, file ${bytes.length})`,
      'save it again with numpy.savez',
    );
  }
  const header = new TextDecoder(version === 3 ? 'utf-8' : 'latin1').decode(
    bytes.subarray(headerStart, dataStart),
  );
  const fields = parseHeaderFields(header, where);
  const descr = fields.get('descr') as string;
  const order = fields.get('fortran_order') as string;
  const shapeText = fields.get('shape') as string;
  if (!descr.startsWith("'") || !/^(True|False)$/.test(order) || !shapeText.startsWith('(')) {
    fail(where, `unreadable .npy header ${quoted(header.trim())}`, 'save it again with numpy.savez');
  }
  const dtype = parseDtype(descr, where);
  const shape = parseShape(shapeText, where);
  const needed = shape.reduce((product, size) => product * size, ITEM_BYTES[dtype]);
  const present = bytes.length - dataStart;
  if (needed !== present) {
    fail(
      where,
      `shape (${shape.join(', ')}) of ${dtype} needs ${needed} bytes, but ${present} follow the header`,
      'the file is damaged: save it again with numpy.savez',
    );
  }
  const values = decode(dtype, bytes.subarray(dataStart), where);
  return { dtype, shape, values: order === 'True' ? fromFortranOrder(values, shape) : values };
}
