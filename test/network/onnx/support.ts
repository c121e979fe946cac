import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
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
import {
  type AttributeSketch,
  type ModelSketch,
  type NodeSketch,
  normalWeight,
  onnxBytes,
  onnxCheckpoint,
} from '../../support/onnx-models.js';

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

/** Relative difference that rounding to float32 in another order stays below. */
const TOLERANCE = 1e-5;

/** The network of a sketch computes what ONNX Runtime does. */
export async function expectSame(sketch: ModelSketch, seed: number, batch = 2): Promise<void> {
  const shape = [batch, ...(sketch.input.slice(1) as number[])];
  const inputs = normalInputs(shape, seed);
  const expected = await runtimeOutput(sketch, inputs, shape);
  await withOnnxNetwork(
    sketch,
    (network) => {
      const error = distance(outputOf(network, inputs, shape), expected);
      expect(error, `distance from ONNX Runtime for ${JSON.stringify(sketch.nodes)}`).toBeLessThan(TOLERANCE);
    },
    { keepFinalActivation: true },
  );
}

/** A network of a 1 x 1 convolution (or product), some nodes from `x` to `y`, and nothing after. */
export function around(
  shape: readonly number[],
  nodes: readonly NodeSketch[],
  rest: Partial<ModelSketch> = {},
): ModelSketch {
  const channels = shape[0];
  const stem: NodeSketch =
    shape.length === 1
      ? { op: 'MatMul', inputs: ['input', 'stem'], outputs: ['x'] }
      : { op: 'Conv', inputs: ['input', 'stem'], outputs: ['x'] };
  const ones = shape.slice(1).map(() => 1);
  return {
    input: [null, ...shape],
    nodes: [stem, ...nodes],
    ...rest,
    weights: { stem: normalWeight([channels, channels, ...ones], 3, 0.7), ...rest.weights },
  };
}

/** A node from `x` to `y`. */
export function one(
  op: string,
  attributes: Record<string, AttributeSketch> = {},
  inputs: readonly string[] = ['x'],
): NodeSketch {
  return { op, inputs, outputs: ['y'], attributes };
}
