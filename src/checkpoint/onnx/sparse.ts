/** Sparse initialisers of ONNX files: values and the positions they have in a dense tensor. */
import type { OnnxTensor } from '../onnx-graph.js';
import {
  countOf,
  decodeTensor,
  invalidTensor,
  readShape,
  readTensorHead,
  type TensorHead,
} from './tensors.js';
import { messageOf, type WireField, type WireMessage, type WireSource } from './wire.js';

/** A sparse initialiser: the dense shape, the tensor of its values, and the row-major positions they have. */
export interface SparseHead {
  shape: number[];
  values: TensorHead;
  positions: Float64Array;
}

/** A tensor of the graph that has a name and values. */
export interface Initializer {
  name: string;
  /** Where it stands among the fields of the graph, of a branch, or of the attribute of a Constant node. */
  field: WireField;
  /** The dense tensor, or the values of the sparse one. */
  head: TensorHead;
  sparse: SparseHead | null;
  /** The Constant node or the branch that holds it; null among the initialisers of the graph. */
  owner: WireMessage | null;
}

/**
 * Reads a SparseTensorProto up to its values.
 *
 * @throws InputError for indices outside the shape, in another order than ascending, or of another number
 */
export function readSparseHead(source: WireSource, message: WireMessage): SparseHead {
  const valuesMessage = messageOf(message, 'values');
  const indicesMessage = messageOf(message, 'indices');
  if (valuesMessage === null || indicesMessage === null) {
    throw invalidTensor(source.path, '', 'is a sparse initialiser without values or without indices.');
  }
  const values = readTensorHead(source, valuesMessage);
  const { name } = values;
  const shape = readShape(source, message, name);
  const indices = readTensorHead(source, indicesMessage, `${name} (indices)`);
  if (values.external !== null || indices.external !== null) {
    throw invalidTensor(source.path, name, 'is sparse with external data, which is not supported.');
  }
  const count = countOf(values.shape);
  const linear = indices.shape.length === 1;
  const fits =
    linear || (indices.shape.length === 2 && shape.length > 0 && indices.shape[1] === shape.length);
  if (values.shape.length !== 1 || indices.shape[0] !== count || !fits || indices.type !== 'int64') {
    throw invalidTensor(
      source.path,
      name,
      `is sparse with values [${values.shape.join(', ')}] and ${indices.type} indices [${indices.shape.join(', ')}], which do not go together.`,
    );
  }
  const numbers = decodeTensor(source, indices).values as Float64Array;
  const positions = linear ? numbers : linearPositions(numbers, shape);
  requireAscending(source, name, shape, positions);
  return { shape, values, positions };
}

/** Row-major positions of multi-dimensional indices; -1 for one outside the shape. */
function linearPositions(indices: Float64Array, shape: readonly number[]): Float64Array {
  const rank = shape.length;
  const count = rank === 0 ? 0 : indices.length / rank;
  const positions = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    for (let axis = 0; axis < rank; axis++) {
      const index = indices[i * rank + axis]!;
      const inside = index >= 0 && index < shape[axis]! && positions[i]! >= 0;
      positions[i] = inside ? positions[i]! * shape[axis]! + index : -1;
    }
  }
  return positions;
}

function requireAscending(
  { path }: WireSource,
  name: string,
  shape: readonly number[],
  positions: Float64Array,
): void {
  const count = countOf(shape);
  let previous = -1;
  for (const position of positions) {
    if (position <= previous || position >= count) {
      throw invalidTensor(
        path,
        name,
        `is sparse with an index outside its shape [${shape.join(', ')}], or not in ascending order.`,
      );
    }
    previous = position;
  }
}

/** The dense tensor of a sparse one. */
export function decodeSparse(source: WireSource, { shape, values, positions }: SparseHead): OnnxTensor {
  const stored = decodeTensor(source, values);
  const count = countOf(shape);
  const dense =
    stored.type === 'float'
      ? new Float32Array(count)
      : stored.type === 'boolean'
        ? new Uint8Array(count)
        : new Float64Array(count);
  positions.forEach((position, i) => {
    dense[position] = stored.values[i]!;
  });
  return { shape, type: stored.type, values: dense };
}
