/** What a checkpoint is once read, whatever the files looked like. */
import type { OnnxGraph } from './onnx-graph.js';

/** Element types a weight can have in memory. */
export type CheckpointDtype = 'float32' | 'int32' | 'bool';

/**
 * How the file stored a weight, where that differs from its dtype.
 *
 * `uint8` and `uint16` stand for `code * scale + min`, computed in float64.
 */
export type WeightStorage = { dtype: 'float16' } | { dtype: 'uint8' | 'uint16'; scale: number; min: number };

/** One weight, dequantised. */
export interface CheckpointWeight {
  /** Unique in its checkpoint, e.g. `dense_1/kernel`. */
  name: string;
  shape: readonly number[];
  dtype: CheckpointDtype;
  /** Row-major, `product(shape)` long: Float32Array, Int32Array or Uint8Array, as `dtype` says. Finite, but for ONNX tensors that are no trained weights. */
  values: Float32Array | Int32Array | Uint8Array;
  /** Null: stored as `dtype`. Writing keeps the storage only where that loses no bit. */
  storage: null | WeightStorage;
}

/** A TensorFlow.js LayersModel: `model.json` and its weight shards. */
export interface LayersCheckpoint {
  format: 'tfjs-layers';
  /** The model.json it was read from; empty for one that was made in memory. */
  path: string;
  /** Hex digest over the bytes of model.json and then of every shard in order, as read. */
  sha256: string;
  /** `modelTopology` of model.json, untouched. */
  topology: Record<string, unknown>;
  /** In file order, the state of optimizers left out. */
  weights: CheckpointWeight[];
  /** `userDefinedMetadata` of model.json. */
  metadata: Record<string, unknown>;
  /** Number of weights in each group of the manifest; sums to `weights.length`. */
  manifestGroups: number[];
  /** The remaining top-level keys of model.json: generatedBy, convertedBy, trainingConfig, ... */
  extra: Record<string, unknown>;
}

/** An ONNX model, with the files of its external data. */
export interface OnnxCheckpoint {
  format: 'onnx';
  /** The file it was read from; empty for one that was made in memory. */
  path: string;
  /** Hex digest over the bytes of the model and then of every external data file in order of first use, as read. */
  sha256: string;
  /** The same digest of the files; `sha256` is another one where the weights came from elsewhere. */
  fileSha256: string;
  graph: OnnxGraph;
  /** The floating-point initialisers, and tensors of Constant nodes with an axis or more, in file order. */
  weights: CheckpointWeight[];
  /**
   * Kernels that nodes compute from constants, where they are to be written with values of their own; named as the
   * nodes' outputs. Left out where there are none.
   */
  folded?: CheckpointWeight[];
  /** `pruneLimit`, parsed, where the model's metadata has an entry of that name; else empty. */
  metadata: Record<string, unknown>;
}

/** Any checkpoint; the union grows with the formats. */
export type Checkpoint = LayersCheckpoint | OnnxCheckpoint;

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Multi-dimensional index of a row-major position, as `[1, 0, 3]`. */
export function formatIndex(position: number, shape: readonly number[]): string {
  const index: number[] = [];
  let rest = position;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index.unshift(rest % shape[axis]!);
    rest = Math.floor(rest / shape[axis]!);
  }
  return `[${index.join(', ')}]`;
}
