import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { elementCount } from '../../../src/checkpoint/checkpoint.js';
import { readOnnx } from '../../../src/checkpoint/onnx/reader.js';
import { createNetwork } from '../../../src/network/create-network.js';
import { type Network, type NetworkOptions, weightTensors } from '../../../src/network/network.js';
import { silentProgress } from '../../../src/progress.js';
import { prune } from '../../../src/prune.js';
import { randomStream } from '../../../src/random.js';
import { directoryOf } from '../../checkpoint/fixtures.js';
import { native } from '../../compute/compile/support.js';
import { encodeModel, type ModelSpec } from '../../support/onnx-files.js';
import { type ModelSketch, onnxBytes, onnxCheckpoint } from '../../support/onnx-models.js';

/** Builds the network of a sketch, hands it over and disposes of it. */
export async function withOnnxNetwork<T>(
  sketch: ModelSketch,
  use: (network: Network) => T | Promise<T>,
  options: NetworkOptions = {},
): Promise<T> {
  const network = await createNetwork(onnxCheckpoint(sketch), options);
  try {
    return await use(network);
  } finally {
    network.dispose();
  }
}

/** The network of a model's file, handed over with its path. */
export async function withFile<T>(
  spec: ModelSpec,
  use: (network: Network, path: string) => Promise<T> | T,
): Promise<T> {
  const path = join(directoryOf({ 'model.onnx': encodeModel(spec) }), 'model.onnx');
  const network = await createNetwork(await readOnnx(path));
  try {
    return await use(network, path);
  } finally {
    network.dispose();
  }
}

/** The path of the file after `prune`. */
export async function pruned(path: string, ratio: number): Promise<string> {
  const output = join(directoryOf({}), 'pruned.onnx');
  const amount = { ratio, atLimit: null, report: null, include: [], exclude: [], analyze: null };
  await prune({ model: path, output, sparse: false, ...amount }, silentProgress, await readOnnx(path));
  return output;
}

/** Normal numbers of a shape. */
export function normalInputs(shape: readonly number[], seed: number): Float32Array {
  const random = randomStream(seed, 'inputs');
  return Float32Array.from({ length: elementCount(shape) }, () => random.normal());
}

/** The network's output for inputs with its trained weights. */
export function outputOf(network: Network, inputs: Float32Array, shape: readonly number[]): Float32Array {
  return tf.tidy(
    () =>
      network
        .logits(weightTensors(network, network.weights), tf.tensor(inputs, [...shape]))
        .dataSync() as Float32Array,
  );
}

/** What ONNX Runtime gives for a sketch. */
export async function runtimeOutput(
  sketch: ModelSketch,
  inputs: Float32Array,
  shape: readonly number[],
  name?: string,
): Promise<Float32Array> {
  const session = await native.runtime.InferenceSession.create(onnxBytes(sketch), {
    graphOptimizationLevel: 'disabled',
    logSeverityLevel: 4,
    intraOpNumThreads: 1,
  });
  try {
    const results = await session.run({ input: new native.runtime.Tensor('float32', inputs, [...shape]) });
    return Float32Array.from(results[name ?? session.outputNames[0]].data as Float32Array);
  } finally {
    await session.release();
  }
}

/** What ONNX Runtime gives for a file with the input `x` and the output `y`. */
export async function runtimeOutputOfFile(
  path: string,
  inputs: Float32Array,
  shape: readonly number[],
): Promise<Float32Array> {
  const session = await native.runtime.InferenceSession.create(path, {
    graphOptimizationLevel: 'disabled',
    logSeverityLevel: 4,
  });
  try {
    const { y } = await session.run({ x: new native.runtime.Tensor('float32', inputs, [...shape]) });
    return Float32Array.from(y.data as Float32Array);
  } finally {
    await session.release();
  }
}

/** Largest distance of two vectors, relative to the largest number of the expected one (at least 1). */
export function distance(actual: Float32Array, expected: Float32Array): number {
  if (actual.length !== expected.length) {
    return Number.POSITIVE_INFINITY;
  }
  let scale = 1;
  let largest = 0;
  expected.forEach((value, i) => {
    scale = Math.max(scale, Math.abs(value));
    const difference = Object.is(value, actual[i]) ? 0 : Math.abs(value - actual[i]);
    largest = Math.max(largest, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
  });
  return largest / scale;
}
