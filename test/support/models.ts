import { io } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import type { ExampleSource } from '../../src/network/example-source.js';
import { type RandomStream, randomStream } from '../../src/random.js';

/** A checkpoint of a model built with tfjs-layers, as if read from disk. */
export async function checkpointOf(model: LayersModel): Promise<LayersCheckpoint> {
  let artifacts: io.ModelArtifacts | undefined;
  await model.save(
    io.withSaveHandler(async (saved) => {
      artifacts = saved;
      return { modelArtifactsInfo: io.getModelArtifactsInfoForJSON(saved) };
    }),
  );
  const { modelTopology, weightSpecs, weightData } = artifacts as io.ModelArtifacts;
  const decoded = io.decodeWeights(weightData as ArrayBuffer, weightSpecs as io.WeightsManifestEntry[]);
  const weights = (weightSpecs as io.WeightsManifestEntry[]).map(({ name, shape }) => ({
    name,
    shape,
    dtype: 'float32' as const,
    values: Float32Array.from(decoded[name].dataSync()),
    storage: null,
  }));
  for (const tensor of Object.values(decoded)) {
    tensor.dispose();
  }
  return {
    format: 'tfjs-layers',
    path: 'model.json',
    sha256: '',
    topology: modelTopology as Record<string, unknown>,
    weights,
    metadata: {},
    manifestGroups: [weights.length],
    extra: {},
  };
}

function seededValue(name: string, fanIn: number, random: RandomStream): number {
  if (name.endsWith('variance')) {
    return 0.5 + random.uniform();
  }
  if (name.endsWith('gamma')) {
    return 1 + 0.3 * random.normal();
  }
  if (name.endsWith('alpha')) {
    return 0.25 + 0.1 * random.normal();
  }
  return random.normal() * (name.endsWith('kernel') ? Math.sqrt(1.5 / fanIn) : 0.3);
}

/**
 * A checkpoint of a freshly built model, with all weights drawn from a seed;
 * the model is disposed of.
 */
export async function seededCheckpoint(model: LayersModel, seed: number): Promise<LayersCheckpoint> {
  const checkpoint = await checkpointOf(model);
  model.dispose();
  const random = randomStream(seed, 'model weights');
  for (const weight of checkpoint.weights) {
    const terms = weight.name.endsWith('depthwise_kernel')
      ? weight.shape.slice(0, 2)
      : weight.shape.slice(0, -1);
    const fanIn = terms.reduce((product, extent) => product * extent, 1);
    weight.values = Float32Array.from(weight.values, () => seededValue(weight.name, fanIn, random));
  }
  return checkpoint;
}

/** Random inputs and random one-hot (or 0/1, or real) targets. */
export function randomExamples(options: {
  count: number;
  shape: readonly number[];
  outputs: number;
  targets: 'one-hot' | 'binary' | 'real';
  seed: number;
}): ExampleSource {
  const random = randomStream(options.seed, 'examples');
  const size = options.shape.reduce((product, extent) => product * extent, 1);
  const inputs = Float32Array.from({ length: options.count * size }, () => random.normal());
  const targets = new Float32Array(options.count * options.outputs);
  for (let i = 0; i < options.count; i++) {
    if (options.targets === 'one-hot') {
      targets[i * options.outputs + random.integer(options.outputs)] = 1;
    } else {
      for (let j = 0; j < options.outputs; j++) {
        targets[i * options.outputs + j] = options.targets === 'binary' ? random.integer(2) : random.normal();
      }
    }
  }
  return {
    count: options.count,
    shape: options.shape,
    inputs: (start, end) => inputs.subarray(start * size, end * size),
    targets: (start, end) => targets.subarray(start * options.outputs, end * options.outputs),
  };
}
