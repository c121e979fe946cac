import { memory, type Tensor, tensor } from '@tensorflow/tfjs-core';
import { input, layers, model, type SymbolicTensor, sequential } from '@tensorflow/tfjs-layers';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ConnectedPruning } from '../../src/analysis/connectivity.js';
import type { LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { prepareBackend } from '../../src/compute/backend.js';
import type { Network, NetworkOptions } from '../../src/network/network.js';
import { pruneSmallest, rankByMagnitude } from '../../src/pruning/magnitude.js';
import { randomStream } from '../../src/random.js';
import { compiledCases } from '../network/onnx/cases.js';
import { withOnnxNetwork } from '../network/onnx/support.js';
import { checkpointOf, seededCheckpoint } from '../support/models.js';
import { dilatedCases, imageCases, sequenceCases, upsamplingCases } from '../support/network-cases.js';
import { type ModelCase, savedLayers } from '../support/problems.js';
import {
  decisiveCounts,
  evaluated,
  expectPositiveWhereConnected,
  limitOf,
  withNetwork,
  withoutShifts,
} from './connectivity-support.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

/** An MLP without biases whose kernels, [inputs, units], are given. */
async function mlp(
  widths: readonly number[],
  kernels: readonly (readonly number[])[],
): Promise<LayersCheckpoint> {
  const built = sequential({
    layers: widths.slice(1).map((units, index) =>
      layers.dense({
        units,
        useBias: false,
        activation: index === widths.length - 2 ? 'linear' : 'relu',
        inputShape: [widths[index]],
      }),
    ),
  });
  const checkpoint = await checkpointOf(built);
  built.dispose();
  checkpoint.weights.forEach((weight, index) => {
    weight.values = Float32Array.from(kernels[index]);
  });
  return checkpoint;
}

/** Which outputs of an MLP a search from its inputs reaches. */
function reached(widths: readonly number[], weights: Float32Array): boolean[] {
  let from = new Set(Array(widths[0]).keys());
  let offset = 0;
  for (let layer = 1; layer < widths.length; layer++) {
    const [inputs, units] = [widths[layer - 1], widths[layer]];
    const to = new Set<number>();
    for (const input of from) {
      for (let unit = 0; unit < units; unit++) {
        if (weights[offset + input * units + unit] !== 0) {
          to.add(unit);
        }
      }
    }
    offset += inputs * units;
    from = to;
  }
  return Array.from({ length: widths[widths.length - 1] }, (_, output) => from.has(output));
}

describe('MLPs', () => {
  it('are connected as far as a search for paths says, at every count', async () => {
    const networks = fc
      .array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 4 })
      .chain((widths) =>
        fc.tuple(
          fc.constant(widths),
          fc.tuple(
            ...widths.slice(1).map((units, index) =>
              // Few values: zeros and ties.
              fc.array(fc.constantFrom(-3, -2, -1, 0, 0.5, 1, 2.5), {
                minLength: units * widths[index],
                maxLength: units * widths[index],
              }),
            ),
          ),
        ),
      );
    await fc.assert(
      fc.asyncProperty(networks, async ([widths, kernels]) => {
        await withNetwork(await mlp(widths, kernels), (network) => {
          const ranking = rankByMagnitude(network.weights);
          const limit = limitOf(network, [widths[0]]);
          let allReached = -1;
          for (let count = 0; count <= network.dimension; count++) {
            const found = reached(widths, pruneSmallest(network.weights, ranking, count));
            expect(found).toEqual(Array.from(limit.prunedCounts, (last) => count <= last));
            allReached = found.every(Boolean) ? count : allReached;
          }
          expect(limit.exact).toBe(true);
          expect(limit.connectedWhenDense).toBe(allReached >= 0);
          expect(limit.prunedCount).toBe(Math.max(0, allReached));
          expect(limit.prunedFraction).toBe(limit.prunedCount / network.dimension);
          expect(limit.prunedFraction).toBeLessThan(1);
        });
      }),
      { numRuns: 60 },
    );
  });

  it('that are disconnected as trained are said to be, with the outputs', async () => {
    const checkpoint = await mlp(
      [2, 2, 3],
      [
        [1, 0, 2, 0],
        [3, 0, 1, 5, 5, 5],
      ],
    );
    await withNetwork(checkpoint, (network) => {
      // Unit 1 hangs on no input, and output 1 on unit 1 alone. Output 0 needs one of 1 and 2, output 2 the 1 behind it.
      expect(limitOf(network, [2])).toMatchObject({
        connectedWhenDense: false,
        disconnectedOutputs: [1],
        prunedCount: 0,
        prunedFraction: 0,
        prunedCounts: Int32Array.of(5, -1, 4),
      });
    });
  });

  it('keep paths through weights that are not pruned', async () => {
    const checkpoint = await mlp(
      [2, 2, 1],
      [
        [1, 2, 3, 4],
        [5, 6],
      ],
    );
    const names = checkpoint.weights.map(({ name }) => name);
    const limits = await Promise.all(
      names.map((name) => withNetwork(checkpoint, (network) => limitOf(network, [2]), { exclude: [name] })),
    );
    // Of [1, 2, 3, 4] the last must stay, of [5, 6] too.
    expect(limits.map(({ prunedCount }) => prunedCount)).toEqual([1, 3]);
  });
});

async function positiveCheckpoint({ build, adjustLayers }: ModelCase): Promise<LayersCheckpoint> {
  const checkpoint = await seededCheckpoint(build(), 7);
  adjustLayers?.(savedLayers(checkpoint));
  withoutShifts(checkpoint.weights);
  return checkpoint;
}

describe('convolutional networks of positive weights', () => {
  const homogeneous = imageCases.filter(({ name }) =>
    /^(Conv2D|Depthwise|Separable|BatchNorm.* relu|MaxPool|AverageP|LeakyReLU|PReLU|ZeroPadding|residual|a layer used)/.test(
      name,
    ),
  );

  it.each(homogeneous)(
    '$name: an output is positive for positive inputs as long as it is connected',
    async (modelCase) => {
      const { shape } = modelCase;
      const checkpoint = await positiveCheckpoint(modelCase);
      await withNetwork(checkpoint, (network) => expectPositiveWhereConnected(network, shape));
    },
  );

  it('that need no prunable weight stay connected to the last', async () => {
    const x = input({ shape: [4, 4, 3] });
    const convolved = layers.conv2d({ name: 'inner', filters: 3, kernelSize: 3, padding: 'same' }).apply(x);
    const joined = layers.add().apply([x, convolved as SymbolicTensor]);
    const averaged = layers.globalAveragePooling2d({ dataFormat: 'channelsLast' }).apply(joined);
    const outputs = layers.dense({ name: 'head', units: 2 }).apply(averaged) as SymbolicTensor;
    const checkpoint = await seededCheckpoint(model({ inputs: x, outputs }), 7);
    const limit = (options: NetworkOptions): Promise<ConnectedPruning> =>
      withNetwork(checkpoint, (network) => limitOf(network, [4, 4, 3]), options);
    expect(await limit({ exclude: ['head/*'] })).toMatchObject({
      connectedWhenDense: true,
      prunedFraction: 1,
    });
    expect((await limit({ include: ['head/*'] })).prunedFraction).toBeLessThan(1);
  });
});

describe('layers whose structure is not known', () => {
  it('are named, and the limit is an upper bound', async () => {
    const shape = [4, 4, 4, 1];
    const built = sequential({
      layers: [
        layers.conv3d({ filters: 2, kernelSize: 2, activation: 'relu', inputShape: shape }),
        layers.flatten(),
        layers.dense({ units: 3 }),
      ],
    });
    const checkpoint = await seededCheckpoint(built, 7);
    withoutShifts(checkpoint.weights);
    await withNetwork(checkpoint, (network) => {
      const limit = limitOf(network, shape);
      expect(limit).toMatchObject({ exact: false, unknownKernels: ['Conv3D'] });
      const ranking = rankByMagnitude(network.weights);
      const ones = tensor(new Float32Array(64).fill(1), [1, ...shape]);
      for (const count of Array(network.dimension).keys()) {
        const [outputs] = evaluated(network, pruneSmallest(network.weights, ranking, count), ones);
        expect(outputs.some((value, output) => value > 0 && count > limit.prunedCounts[output])).toBe(false);
      }
      ones.dispose();
    });
  });
});

it('frees all tensors that it makes', async () => {
  const checkpoint = await mlp(
    [2, 2, 1],
    [
      [1, 2, 3, 4],
      [5, 6],
    ],
  );
  await withNetwork(checkpoint, (network) => {
    const before = memory().numTensors;
    limitOf(network, [2]);
    expect(memory().numTensors).toBe(before);
  });
});

/** Examples of very different sizes, so that some get through where others saturate. */
function scaledExamples(shape: readonly number[]): Tensor {
  const random = randomStream(3, 'scaled examples');
  const size = shape.reduce((product, extent) => product * extent, 1);
  const scales = [0.01, 0.1, 0.5, 1, 3, 10];
  const data = Float32Array.from({ length: 4 * scales.length * size }, (_, i) => {
    const example = Math.floor(i / size);
    return (example % 2 === 0 ? 1 : random.sign()) * scales[example % scales.length] * random.uniform();
  });
  return tensor(data, [4 * scales.length, ...shape]);
}

function expectChangesWhereConnected(network: Network, shape: readonly number[]): void {
  const positive = { ...network, weights: network.weights.map(Math.abs) };
  const ranking = rankByMagnitude(positive.weights);
  const limit = limitOf(positive, shape);
  const inputs = scaledExamples(shape);
  expect(limit.exact).toBe(true);
  for (const count of decisiveCounts(limit, network.dimension)) {
    const rows = evaluated(network, pruneSmallest(positive.weights, ranking, count), inputs);
    const changes = Array.from(limit.prunedCounts, (_, output) =>
      rows.some((row) => !Object.is(row[output], rows[0][output])),
    );
    expect(changes).toEqual(Array.from(limit.prunedCounts, (last) => count <= last));
  }
  inputs.dispose();
}

describe('an output changes with the input as long as it is connected', () => {
  it.each([...imageCases, ...sequenceCases, ...dilatedCases, ...upsamplingCases])(
    '$name',
    async (modelCase) => {
      const checkpoint = await positiveCheckpoint(modelCase);
      await withNetwork(checkpoint, (network) => expectChangesWhereConnected(network, modelCase.shape));
    },
  );

  it.each(compiledCases)('ONNX: $name', async ({ sketch }) => {
    await withOnnxNetwork(sketch, (network) =>
      expectChangesWhereConnected(network, sketch.input.slice(1) as number[]),
    );
  });
});
