/** The weights of a file of any format by name, without the network that they belong to. */
import { extname } from 'node:path';
import type { Checkpoint, CheckpointWeight } from './checkpoint.js';
import { checkpointFiles, readCheckpoint } from './registry.js';
import { onnxAxisOrder } from './weights/axis-order.js';
import { openWeightFile } from './weights/weight-file.js';
import { type AxisOrder, readWeightNames } from './weights/weight-names.js';

/** One floating-point weight. */
export interface NamedWeight {
  name: string;
  shape: readonly number[];
  /** As stored, e.g. `float16` or `F32`. */
  dtype: string;
  /** Of one number as stored. */
  elementBytes: number;
  values: Float32Array;
  /** The order of a kernel's axes; null for weights with fewer than two axes. */
  order: AxisOrder | null;
}

/** The weights of a file. */
export interface NamedWeights {
  path: string;
  /** All files that hold it. */
  files: readonly string[];
  format: Checkpoint['format'] | 'safetensors' | 'npz';
  weights: NamedWeight[];
}

const WEIGHT_FILES: Readonly<Record<string, 'safetensors' | 'npz'>> = {
  '.safetensors': 'safetensors',
  '.npz': 'npz',
};

/** Bytes of floating-point numbers, by the dtypes of safetensors and of numpy. */
function floatBytes(dtype: string): number | null {
  const found = /^(?:B?F(16|32|64)|[<>]f(2|4|8))$/.exec(dtype);
  return found === null ? null : found[1] === undefined ? Number(found[2]) : Number(found[1]) / 8;
}

const STORED_BYTES = { float32: 4, float16: 2, uint8: 1, uint16: 2 } as const;

function storedAs({ storage }: CheckpointWeight): keyof typeof STORED_BYTES {
  return storage?.dtype ?? 'float32';
}

/**
 * The order of the axes of a checkpoint's weight; torch's where an ONNX graph does not tell it, null for fewer than two
 * axes.
 */
export function axisOrderIn(
  checkpoint: Checkpoint,
  { name, shape }: Pick<CheckpointWeight, 'name' | 'shape'>,
): AxisOrder | null {
  if (shape.length < 2) {
    return null;
  }
  return checkpoint.format === 'onnx' ? (onnxAxisOrder(checkpoint.graph, name) ?? 'torch') : 'keras';
}

async function readWeightFile(path: string, format: 'safetensors' | 'npz'): Promise<NamedWeights> {
  const file = await openWeightFile(path);
  const floats = file.entries.filter(({ dtype, problem }) => problem !== null || floatBytes(dtype) !== null);
  const damaged = floats.find(({ problem }) => problem !== null);
  if (damaged !== undefined) {
    throw damaged.problem;
  }
  const { values } = await file.read(new Map(floats.map(({ name }) => [name, 'float32'])));
  const names = readWeightNames(floats);
  return {
    path,
    files: [path],
    format,
    weights: floats.map(({ name, shape, dtype }, i) => ({
      name,
      shape,
      dtype,
      elementBytes: floatBytes(dtype)!,
      values: values.get(name) as Float32Array,
      order: shape.length < 2 ? null : (names[i]!.order ?? 'torch'),
    })),
  };
}

/**
 * Reads the floating-point weights of a model or of a file of weights.
 *
 * Where names and graph do not tell the order of a kernel's axes it is taken to
 * be torch's, that of ONNX.
 *
 * @throws InputError as `readCheckpoint` and `openWeightFile`
 */
export async function readNamedWeights(path: string): Promise<NamedWeights> {
  const format = WEIGHT_FILES[extname(path).toLowerCase()];
  if (format !== undefined) {
    return readWeightFile(path, format);
  }
  const checkpoint = await readCheckpoint(path);
  return namedWeights(checkpoint, (await checkpointFiles(checkpoint)).read);
}

/**
 * The floating-point weights of a model that was read.
 *
 * @param files that hold it
 */
export function namedWeights(checkpoint: Checkpoint, files: readonly string[]): NamedWeights {
  const floats = checkpoint.weights.filter(({ dtype }) => dtype === 'float32');
  return {
    path: checkpoint.path,
    files,
    format: checkpoint.format,
    weights: floats.map((weight) => ({
      name: weight.name,
      shape: weight.shape,
      dtype: storedAs(weight),
      elementBytes: STORED_BYTES[storedAs(weight)],
      values: weight.values as Float32Array,
      order: axisOrderIn(checkpoint, weight),
    })),
  };
}
