/** The stored bytes of ONNX weights: taken from where they lie, changed element by element, put back. */
import { InputError } from '../../errors.js';
import { decodeFloat16, encodeFloat16 } from '../../float16.js';
import { ONNX_TYPES, onnxSchema } from '../../onnx-schema.js';
import { type CheckpointWeight, formatIndex } from '../checkpoint.js';
import { printable, quoted } from '../printable.js';
import type { OnnxFile } from './reader.js';
import { encodeField, encodeVarint, type FieldEdits, totalLength } from './rewrite.js';
import type { Initializer } from './sparse.js';
import { countOf, decodeRaw, ELEMENT_RULES, type ElementType, type TensorHead } from './tensors.js';
import { bytesOf, fieldsOf, gatherFixed, integersOf } from './wire.js';

type Bytes = Uint8Array<ArrayBuffer>;

/** The elements of a float initialiser, dense, little-endian in their own type, in a buffer of their own. */
export function elementBytes(file: OnnxFile, { head, sparse }: Initializer): Bytes {
  const stored = storedBytes(file, head);
  if (sparse === null) return stored;
  const width = ELEMENT_RULES[head.type].bytes;
  const dense = new Uint8Array(countOf(sparse.shape) * width);
  sparse.positions.forEach((position, i) => {
    dense.set(stored.subarray(i * width, (i + 1) * width), position * width);
  });
  return dense;
}

function storedBytes({ source, external }: OnnxFile, head: TensorHead): Bytes {
  const range = external.ranges.get(head);
  if (range) return range.file.bytes.slice(range.start, range.end);
  const raw = bytesOf(source, head.message, 'rawData');
  if (raw !== null && raw.length > 0) return new Uint8Array(raw);
  const { list } = ELEMENT_RULES[head.type];
  if (list !== 'int32Data') return gatherFixed(source, head.message, list);
  return new Uint8Array(Uint16Array.from(integersOf(source, head.message, list)).buffer);
}

/**
 * The elements with those overwritten that a weight has other values for; the rest keeps its bits, also those
 * that a float32 cannot hold.
 *
 * @returns null where nothing changes
 * @throws InputError `checkpoint/not-representable` for a new value that the element type does not have
 */
export function changedElements(
  bytes: Bytes,
  type: ElementType,
  weight: CheckpointWeight,
  path: string,
): Bytes | null {
  const values = weight.values as Float32Array;
  const wanted = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const current = new Uint32Array((decodeRaw(bytes, type) as Float32Array).buffer);
  const first = wanted.findIndex((bits, i) => bits !== current[i]);
  if (first < 0) return null;
  const changed = bytes.slice();
  const view = new DataView(changed.buffer);
  for (let i = first; i < wanted.length; i++) {
    if (wanted[i] === current[i] || encodeElement(view, i, type, values[i]!)) continue;
    throw new InputError(
      'checkpoint/not-representable',
      `${printable(path)}: weight ${quoted(weight.name)} has the new value ${values[i]} at index ` +
        `${formatIndex(i, weight.shape)}, which its element type ${type} cannot hold.`,
    );
  }
  return changed;
}

/** Whether the value could be stored without loss. */
function encodeElement(view: DataView, index: number, type: ElementType, value: number): boolean {
  if (type === 'float32') view.setFloat32(4 * index, value, true);
  else if (type === 'float64') view.setFloat64(8 * index, value, true);
  else if (type === 'float16') {
    const half = encodeFloat16(Float32Array.of(value));
    view.setUint16(2 * index, half[0]!, true);
    return Object.is(decodeFloat16(half)[0], value);
  } else {
    const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
    view.setUint16(2 * index, bits >>> 16, true);
    return (bits & 0xffff) === 0;
  }
  return true;
}

/**
 * Puts elements where a dense tensor has its own: in place where that takes as many bytes, else by an edit.
 * Bytes of the file, or of its external data, are overwritten in memory.
 */
export function putElements(file: OnnxFile, head: TensorHead, bytes: Bytes, edits: FieldEdits): void {
  const { source, external } = file;
  const range = external.ranges.get(head);
  if (range) {
    range.file.bytes.set(bytes, range.start);
    return;
  }
  const raw = bytesOf(source, head.message, 'rawData');
  if (raw !== null && raw.length > 0) {
    raw.set(bytes);
    return;
  }
  const { list } = ELEMENT_RULES[head.type];
  const fields = fieldsOf(head.message, list);
  if (list !== 'int32Data') {
    let offset = 0;
    for (const { start, end } of fields) {
      source.bytes.set(bytes.subarray(offset, offset + end - start), start);
      offset += end - start;
    }
    return;
  }
  // Halves are varints of one to three bytes each.
  const varints = Array.from(new Uint16Array(bytes.buffer), encodeVarint);
  for (const field of fields) edits.set(field, []);
  edits.set(fields[0]!, encodeField('Tensor', list, [Buffer.concat(varints)]));
}

/**
 * A SparseTensorProto for elements, as the field of a graph: positions and values of all that are not +0.
 * Name, element type and description are those of the tensor it replaces.
 */
export function encodeSparse(
  { source }: OnnxFile,
  { head, sparse }: Initializer,
  bytes: Bytes,
): readonly Uint8Array[] {
  const width = ELEMENT_RULES[head.type].bytes;
  const positions = nonZeroPositions(bytes, width);
  const values = new Uint8Array(positions.length * width);
  const indices = new BigInt64Array(positions.length);
  for (const [i, position] of positions.entries()) {
    values.set(bytes.subarray(position * width, (position + 1) * width), i * width);
    indices[i] = BigInt(position);
  }
  const data = ['dims', 'rawData', 'floatData', 'doubleData', 'int32Data'];
  const kept = head.message.fields
    .filter(({ name }) => name === null || !data.includes(name))
    .map(({ tag, end }) => source.bytes.subarray(tag, end));
  const count = encodeField('Tensor', 'dims', [encodeVarint(positions.length)]);
  const valuesTensor = [...count, ...kept, ...encodeField('Tensor', 'rawData', [values])];
  const indicesTensor = onnxSchema
    .lookupType('Tensor')
    .encode({
      dims: [positions.length],
      dataType: ONNX_TYPES.int64,
      rawData: new Uint8Array(indices.buffer),
    })
    .finish();
  const shape = (sparse?.shape ?? head.shape).map(encodeVarint);
  return encodeField('Graph', 'sparseInitializer', [
    ...encodeField('SparseTensor', 'values', valuesTensor),
    ...encodeField('SparseTensor', 'indices', [indicesTensor]),
    ...encodeField('SparseTensor', 'dims', shape),
  ]);
}

/** Indices of the elements with any bit set; that leaves out +0 alone. */
function nonZeroPositions(bytes: Uint8Array, width: number): number[] {
  const positions: number[] = [];
  for (let i = 0; i < bytes.length; i++) {
    const position = Math.floor(i / width);
    if (bytes[i] !== 0 && positions.at(-1) !== position) positions.push(position);
  }
  return positions;
}

/** The sparse form of a dense initialiser's elements, where it takes fewer bytes; else null. */
export function smallerSparse(
  file: OnnxFile,
  initializer: Initializer,
  bytes: Bytes,
): readonly Uint8Array[] | null {
  const { tag, end } = initializer.field;
  const sparse = encodeSparse(file, initializer, bytes);
  return totalLength(sparse) < end - tag ? sparse : null;
}
