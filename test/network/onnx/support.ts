import * as tf from '@tensorflow/tfjs-core';
import { elementCount } from '../../../src/checkpoint/checkpoint.js';
import { createNetwork } from '../../../src/network/create-network.js';
import { type Network, type NetworkOptions, weightTensors } from '../../../src/network/network.js';
import { randomStream } from '../../../src/random.js';
import { native } from '../../compute/compile/support.js';
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
