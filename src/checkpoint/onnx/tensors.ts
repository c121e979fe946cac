/** Tensors of ONNX files: where their data lies, checked against their shape, and its values. */
import { InputError } from '../../errors.js';
import { decodeFloat16 } from '../../float16.js';
import { ONNX_TYPES } from '../../onnx-schema.js';
import { elementCount } from '../checkpoint.js';
import type { OnnxTensor } from '../onnx-graph.js';
import { printable, quoted } from '../printable.js';
import {
  bytesOf,
  fieldsOf,
  fixedBytes,
  gatherFixed,
  integerCount,
  integerOf,
  integersOf,
  messagesOf,
  textOf,
  type WireMessage,
  type WireSource,
} from './wire.js';

/** Element types that are read; the others are strings, complex numbers and those of four and eight bits. */
export type ElementType = Exclude<keyof typeof ONNX_TYPES, 'string'>;

/** The list of a TensorProto that holds a type's values where raw_data does not. */
type DataList = 'floatData' | 'int32Data' | 'int64Data' | 'doubleData' | 'uint64Data';

interface ElementRule {
  kind: OnnxTensor['type'];
  bytes: number;
  list: DataList;
  /** Of the types that codes of quantised numbers have. */
  range?: readonly [low: number, high: number];
}

/** What onnx.proto says of each element type. */
export const ELEMENT_RULES: Readonly<Record<ElementType, ElementRule>> = {
  float32: { kind: 'float', bytes: 4, list: 'floatData' },
  float16: { kind: 'float', bytes: 2, list: 'int32Data' },
  bfloat16: { kind: 'float', bytes: 2, list: 'int32Data' },
  float64: { kind: 'float', bytes: 8, list: 'doubleData' },
  int8: { kind: 'integer', bytes: 1, list: 'int32Data', range: [-128, 127] },
  int16: { kind: 'integer', bytes: 2, list: 'int32Data', range: [-32768, 32767] },
  int32: { kind: 'integer', bytes: 4, list: 'int32Data' },
  int64: { kind: 'integer', bytes: 8, list: 'int64Data' },
  uint8: { kind: 'integer', bytes: 1, list: 'int32Data', range: [0, 255] },
  uint16: { kind: 'integer', bytes: 2, list: 'int32Data', range: [0, 65535] },
  uint32: { kind: 'integer', bytes: 4, list: 'uint64Data' },
  uint64: { kind: 'integer', bytes: 8, list: 'uint64Data' },
  bool: { kind: 'boolean', bytes: 1, list: 'int32Data' },
};

/** Element types of few bits, by their number: what weights are quantised to. */
const NARROW_TYPES: Readonly<Record<number, string>> = {
  17: 'float8e4m3fn',
  18: 'float8e4m3fnuz',
  19: 'float8e5m2',
  20: 'float8e5m2fnuz',
  21: 'uint4',
  22: 'int4',
  23: 'float4e2m1',
  24: 'float8e8m0',
  25: 'uint2',
  26: 'int2',
};

const LISTS: readonly DataList[] = ['floatData', 'int32Data', 'int64Data', 'doubleData', 'uint64Data'];

/** ONNX Runtime and everyone else stay far below; a list of axes has no other end. */
const MAX_RANK = 64;

/**
 * Elements that the initialisers of a model may have together where memory takes more than the file: in sparse
 * ones, which stand for a tensor of any size, and in integers, of which each takes eight bytes. 2^26 of these
 * take half a GiB; integers are shapes and indices, and a network of so many weights has curvature that is out
 * of reach.
 */
export const MAX_EXPANDED_ELEMENTS = 2 ** 26;

/** Data of a tensor in another file. */
export interface ExternalData {
  /** As the file says it, relative to its folder. */
  location: string;
  offset: number;
  /** Null: up to the end of the file. */
  length: number | null;
}

/** A dense tensor that is not decoded yet. */
export interface TensorHead {
  name: string;
  shape: number[];
  type: ElementType;
  message: WireMessage;
  /** Null for data in the model's own file. */
  external: ExternalData | null;
}

/** The InputError for a tensor that contradicts itself. */
export function invalidTensor(
  path: string,
  name: string,
  problem: string,
  code = 'checkpoint/invalid-tensor',
) {
  return new InputError(code, `${printable(path)}: tensor ${quoted(name)} ${problem}`);
}

/**
 * What a TensorProto says of itself; its size is checked against the data that lies in the file.
 *
 * @param name what errors call it, where it has no name of its own
 * @throws InputError for a shape, an element type or a way of storing that cannot be read
 */
export function readTensorHead(source: WireSource, message: WireMessage, name = ''): TensorHead {
  const own = textOf(source, message, 'name');
  const shown = own === '' ? name : own;
  const type = elementType(source, message, shown);
  const shape = readShape(source, message, shown);
  const head = { name: own, shape, type, message, external: externalData(source, message, shown) };
  if (head.external === null) requireStoredSize(source, head, shown);
  requireModest(source, shown, expandedElements(head));
  return head;
}

/** Elements of a tensor that take more memory than their file does. */
export function expandedElements({ shape, type, message }: TensorHead): number {
  const isExpanded = ELEMENT_RULES[type].kind === 'integer' || fieldsOf(message, 'int32Data').length > 0;
  return isExpanded ? countOf(shape) : 0;
}

/** Refuses more elements than `MAX_EXPANDED_ELEMENTS`; `name` is of the tensor that leads to so many. */
export function requireModest({ path }: WireSource, name: string, elements: number): void {
  if (elements <= MAX_EXPANDED_ELEMENTS) return;
  throw invalidTensor(
    path,
    name,
    `brings what is sparse or of integers to more than the ${MAX_EXPANDED_ELEMENTS} elements that are read.`,
    'checkpoint/too-large',
  );
}

function elementType(source: WireSource, message: WireMessage, name: string): ElementType {
  const number = integerOf(source, message, 'dataType');
  const type = Object.entries(ONNX_TYPES).find(([, value]) => value === number)?.[0];
  if (type === undefined || type === 'string') {
    throw invalidTensor(
      source.path,
      name,
      `has elements of type ${type ?? NARROW_TYPES[number] ?? `number ${number}`}; supported are float16 to float64, bfloat16, ` +
        `bool and integers of 8 to 64 bits${number in NARROW_TYPES ? ': analyse the float model that this one was made from' : ''}.`,
      'checkpoint/unsupported-dtype',
    );
  }
  return type as ElementType;
}

/** `dims` of a TensorProto or SparseTensorProto. */
export function readShape(source: WireSource, message: WireMessage, name: string): number[] {
  const rank = integerCount(source, message, 'dims');
  if (rank > MAX_RANK) {
    throw invalidTensor(
      source.path,
      name,
      `has ${rank} axes; at most ${MAX_RANK} are possible.`,
      'checkpoint/invalid-shape',
    );
  }
  const sizes = [...integersOf(source, message, 'dims')];
  if (sizes.every((size) => Number.isSafeInteger(size) && size >= 0)) return sizes;
  throw invalidTensor(
    source.path,
    name,
    `has shape [${sizes.join(', ')}]: every size must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}.`,
    'checkpoint/invalid-shape',
  );
}

/** Number of elements; infinite where it leaves the range of numbers, but never NaN. */
export function countOf(shape: readonly number[]): number {
  return shape.includes(0) ? 0 : elementCount(shape);
}

function externalData(source: WireSource, message: WireMessage, name: string): ExternalData | null {
  if (integerOf(source, message, 'dataLocation') !== 1) return null;
  const entries = new Map<string, string>();
  for (const entry of messagesOf(message, 'externalData')) {
    entries.set(textOf(source, entry, 'key'), textOf(source, entry, 'value'));
  }
  const number = (key: string): number | null => {
    const text = entries.get(key);
    if (text === undefined) return null;
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value)) return value;
    throw invalidTensor(source.path, name, `has external data with ${key} ${quoted(text)}, not a number.`);
  };
  return { location: entries.get('location') ?? '', offset: number('offset') ?? 0, length: number('length') };
}

/** Number of elements that each way of storing holds; only those that are there. */
function storedCounts(source: WireSource, { message, type }: TensorHead): Map<string, number> {
  const counts = new Map<string, number>();
  const raw = bytesOf(source, message, 'rawData');
  if (raw !== null && raw.length > 0) counts.set('raw_data', raw.length / ELEMENT_RULES[type].bytes);
  for (const list of LISTS) {
    if (fieldsOf(message, list).every(({ start, end }) => start === end)) continue;
    const width = { floatData: 4, doubleData: 8 }[list as string];
    const count =
      width === undefined ? integerCount(source, message, list) : fixedBytes(message, list) / width;
    counts.set(snakeCase(list), count);
  }
  return counts;
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function requireStoredSize(source: WireSource, head: TensorHead, name: string): void {
  const counts = storedCounts(source, head);
  const expected = countOf(head.shape);
  const right = ['raw_data', snakeCase(ELEMENT_RULES[head.type].list)];
  const wrong = [...counts.keys()].filter((key) => !right.includes(key));
  if (counts.size > 1 || wrong.length > 0) {
    throw invalidTensor(
      source.path,
      name,
      `has its ${head.type} data in ${[...counts.keys()].join(' and ')}; it should be in ${right.join(' or ')}.`,
    );
  }
  const [stored, count] = [...counts][0] ?? ['no field', 0];
  if (count === expected) return;
  throw invalidTensor(
    source.path,
    name,
    `[${head.shape.join(', ')}] needs ${expected} values of type ${head.type}, found ${count} in ${stored}; is the file damaged?`,
    'checkpoint/size-mismatch',
  );
}

/** Bytes of a tensor's data outside the model's file. */
export function externalBytes({ shape, type }: TensorHead): number {
  return countOf(shape) * ELEMENT_RULES[type].bytes;
}

/** The values of a tensor whose head was read and whose data lies in the model's own file. */
export function decodeTensor(source: WireSource, { shape, type, message }: TensorHead): OnnxTensor {
  const { kind, range } = ELEMENT_RULES[type];
  const raw = bytesOf(source, message, 'rawData');
  const values = raw !== null && raw.length > 0 ? decodeRaw(raw, type) : decodeList(source, message, type);
  return { shape, type: kind, values, ...(range && { range }) };
}

/** Values of raw data, little-endian. */
export function decodeRaw(bytes: Uint8Array, type: ElementType): OnnxTensor['values'] {
  const { buffer } = new Uint8Array(bytes);
  switch (type) {
    case 'float32':
      return new Float32Array(buffer);
    case 'float64':
      return Float32Array.from(new Float64Array(buffer));
    case 'float16':
      return decodeFloat16(new Uint16Array(buffer));
    case 'bfloat16':
      return decodeBfloat16(new Uint16Array(buffer));
    case 'bool':
      return new Uint8Array(buffer).map((byte) => (byte === 0 ? 0 : 1));
    case 'int64':
      return Float64Array.from(new BigInt64Array(buffer), Number);
    case 'uint64':
      return Float64Array.from(new BigUint64Array(buffer), Number);
    default:
      return Float64Array.from(new INTEGER_ARRAYS[type](buffer));
  }
}

const INTEGER_ARRAYS = {
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
};

/** Every bfloat16 is the upper half of a float32. */
function decodeBfloat16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves);
  for (let i = 0; i < bits.length; i++) {
    bits[i] *= 2 ** 16;
  }
  return new Float32Array(bits.buffer);
}

function decodeList(source: WireSource, message: WireMessage, type: ElementType): OnnxTensor['values'] {
  const { list } = ELEMENT_RULES[type];
  if (type === 'float32' || type === 'float64') return decodeRaw(gatherFixed(source, message, list), type);
  const numbers = integersOf(source, message, list, list === 'uint64Data' ? 'unsigned' : 'signed');
  switch (type) {
    case 'float16':
      return decodeFloat16(Uint16Array.from(numbers));
    case 'bfloat16':
      return decodeBfloat16(Uint16Array.from(numbers));
    case 'bool':
      return Uint8Array.from(numbers, (number) => (number === 0 ? 0 : 1));
    case 'int64':
    case 'uint64':
      return numbers;
    default:
      // The typed array wraps a number around as a cast in C does.
      return Float64Array.from(INTEGER_ARRAYS[type].from(numbers));
  }
}
