import { type LayersModel, sequential, layers as tfl } from '@tensorflow/tfjs-layers';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { flattenedFeatures } from '../../../src/checkpoint/weights/flattened-features.js';
import { prepareBackend } from '../../../src/compute/backend.js';

beforeAll(async () => {
  await prepareBackend('cpu');
});

const size = fc.integer({ min: 1, max: 3 });
const pair = fc.tuple(size, size);
const padding = fc.constantFrom('same' as const, 'valid' as const);

/** Layers between images and their flattening, as tfjs makes them. */
const windowLayer = fc.oneof(
  fc
    .record({ filters: size, kernelSize: pair, strides: pair, padding })
    .map((config) => () => tfl.conv2d({ ...config })),
  fc
    .record({ filters: size, kernelSize: pair, dilationRate: pair, padding })
    .map((config) => () => tfl.conv2d({ ...config })),
  fc
    .record({ filters: size, kernelSize: pair, strides: pair, padding })
    .map((config) => () => tfl.conv2dTranspose({ ...config })),
  fc
    .record({ depthMultiplier: size, kernelSize: pair, padding })
    .map((config) => () => tfl.depthwiseConv2d({ ...config })),
  fc
    .record({ poolSize: pair, strides: pair, padding })
    .map((config) => () => tfl.maxPooling2d({ ...config })),
  fc.record({ poolSize: pair, padding }).map((config) => () => tfl.averagePooling2d({ ...config })),
  fc
    .tuple(pair, pair)
    .map((sides) => () => tfl.zeroPadding2d({ padding: sides as [[number, number], [number, number]] })),
  fc.constant(() => tfl.batchNormalization({})),
  fc.constant(() => tfl.reLU({})),
);

/** The model's topology as its model.json has it. */
function topologyOf(model: LayersModel): Record<string, unknown> {
  return model.toJSON(null, false) as unknown as Record<string, unknown>;
}

describe('flattenedFeatures', () => {
  it('has the shapes that tfjs has', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 12, max: 20 }),
        fc.integer({ min: 12, max: 20 }),
        fc.array(windowLayer, { minLength: 1, maxLength: 2 }),
        (height, width, between) => {
          const model = sequential();
          model.add(tfl.inputLayer({ inputShape: [height, width, 2] }));
          for (const layer of between) model.add(layer());
          const flat = tfl.flatten();
          model.add(flat);
          model.add(tfl.dropout({ rate: 0.5 }));
          model.add(tfl.dense({ name: 'out', units: 1 }));
          model.add(tfl.dense({ name: 'after', units: 1 }));
          try {
            const expected = (flat.input as { shape: (number | null)[] }).shape.slice(1);
            const found = flattenedFeatures(topologyOf(model));
            expect(found.get('out')).toEqual(expected);
            expect(found.has('after')).toBe(false);
          } finally {
            model.dispose();
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('looks into models within models', () => {
    const inner = sequential();
    inner.add(tfl.conv2d({ inputShape: [4, 5, 1], filters: 2, kernelSize: 2 }));
    inner.add(tfl.flatten());
    inner.add(tfl.dense({ name: 'inner', units: 3 }));
    const model = sequential();
    model.add(inner);
    model.add(tfl.dense({ name: 'outer', units: 1 }));
    expect([...flattenedFeatures(topologyOf(model))].find(([name]) => name === 'inner')).toEqual([
      'inner',
      [3, 4, 2],
    ]);
    model.dispose();
  });
});
