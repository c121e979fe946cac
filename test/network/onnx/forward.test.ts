import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../../src/compute/backend.js';
import { hasNative } from '../../compute/compile/support.js';
import {
  type AttributeSketch,
  type ModelSketch,
  type NodeSketch,
  normalWeight,
} from '../../support/onnx-models.js';
import { distance, normalInputs, outputOf, runtimeOutput, withOnnxNetwork } from './support.js';

const TOLERANCE = 1e-5;
const DRAWS = 20;

beforeAll(async () => {
  await prepareBackend('wasm');
});

/** A prunable product at the end, so that any operator makes a network: the sum of squares by fixed weights would do as well. */
async function expectSame(sketch: ModelSketch, seed: number, batch = 2): Promise<void> {
  const shape = [batch, ...(sketch.input.slice(1) as number[])];
  const inputs = normalInputs(shape, seed);
  const expected = await runtimeOutput(sketch, inputs, shape);
  await withOnnxNetwork(sketch, (network) => {
    const error = distance(outputOf(network, inputs, shape), expected);
    expect(error, `distance from ONNX Runtime for ${JSON.stringify(sketch.nodes)}`).toBeLessThan(TOLERANCE);
  });
}

/** A network of a 1 x 1 convolution (or product), some nodes from `x` to `y`, and nothing after. */
function around(
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

function one(
  op: string,
  attributes: Record<string, AttributeSketch> = {},
  inputs: readonly string[] = ['x'],
): NodeSketch {
  return { op, inputs, outputs: ['y'], attributes };
}

describe.skipIf(!hasNative)('operators give what ONNX Runtime gives', () => {
  it('Conv, 2-D', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
          strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 })),
          dilations: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 })),
          pads: fc.tuple(...Array.from({ length: 4 }, () => fc.integer({ min: 0, max: 2 }))),
          autoPad: fc.constantFrom('NOTSET', 'NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'),
          group: fc.constantFrom(1, 2, 4),
          multiplier: fc.constantFrom(1, 2),
          bias: fc.boolean(),
          seed: fc.nat(1000),
        }),
        async ({ kernel, strides, dilations, pads, autoPad, group, multiplier, bias, seed }) => {
          const filters = 4 * multiplier;
          const same = autoPad.startsWith('SAME');
          await expectSame(
            {
              input: [null, 4, 9, 8],
              nodes: [
                {
                  op: 'Conv',
                  inputs: ['input', 'w', ...(bias ? ['b'] : [])],
                  outputs: ['y'],
                  attributes: {
                    kernel_shape: kernel,
                    strides,
                    dilations: same ? [1, 1] : dilations,
                    group,
                    ...(autoPad === 'NOTSET' ? { pads } : { auto_pad: autoPad }),
                  },
                },
              ],
              weights: {
                w: normalWeight([filters, 4 / group, ...kernel], seed, 0.4),
                b: normalWeight([filters], seed + 1),
              },
            },
            seed,
          );
        },
      ),
      { numRuns: 40 },
    );
  });

  it('Gemm', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.constantFrom(1, 0.5, -2),
        fc.constantFrom(1, 0, 0.25),
        fc.constantFrom([3], [1, 3], [1], [], null),
        async (transB, alpha, beta, bias) => {
          await expectSame(
            {
              input: [null, 5],
              nodes: [
                {
                  op: 'Gemm',
                  inputs: ['input', 'w', ...(bias === null ? [] : ['c'])],
                  outputs: ['y'],
                  attributes: { transB: transB ? 1 : 0, alpha: { float: alpha }, beta: { float: beta } },
                },
              ],
              weights: {
                w: normalWeight(transB ? [3, 5] : [5, 3], 1),
                ...(bias === null ? {} : { c: normalWeight(bias, 2) }),
              },
            },
            1,
          );
        },
      ),
      { numRuns: DRAWS },
    );
  });

  it.each([
    ['Relu', {}],
    ['Sigmoid', {}],
    ['Tanh', {}],
    ['MaxPool', { kernel_shape: [2, 2], strides: [2, 2] }],
    ['AveragePool', { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1], count_include_pad: 1 }],
    ['GlobalAveragePool', {}],
  ])('%s', async (op, attributes) => {
    await expectSame(around([3, 6, 5], [one(op, attributes)]), 1);
  });
});
