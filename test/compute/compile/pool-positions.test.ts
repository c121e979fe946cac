import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Graph } from '../../../src/compute/compile/graph.js';
import {
  GATHER_AT,
  POOL_MAXIMA,
  POOL_SOURCES,
  poolGeometry,
  SCATTER_TO,
  separatePoolMaxima,
} from '../../../src/compute/compile/pool-positions.js';
import { splitGraph } from '../../../src/compute/compile/restructure.js';
import { simplify } from '../../../src/compute/compile/simplify.js';
import { MAX_POOL_GATHER } from '../../../src/compute/kernels.js';
import { graphOf, hasNative, kernelsOf, runGraph } from './support.js';

interface Pooling {
  image: [number, number, number, number];
  filterSize: [number, number];
  strides: [number, number];
  pad: 'same' | 'valid';
}

/** Both derivatives of max pooling at `input`. */
function derivatives({ image, ...attributes }: Pooling): Graph {
  const node = { kernel: 'MaxPoolGrad', inputs: {}, attributes, outputs: [] };
  const result = poolGeometry(node, image).outShape;
  return graphOf({
    values: { input: image, values: image, dy: result, gathered: result, dx: image },
    inputs: ['input', 'values', 'dy'],
    nodes: [
      {
        kernel: MAX_POOL_GATHER,
        inputs: { values: 'values', input: 'input' },
        outputs: ['gathered'],
        attributes,
      },
      { kernel: 'MaxPoolGrad', inputs: { dy: 'dy', input: 'input' }, outputs: ['dx'], attributes },
    ],
    outputs: ['gathered', 'dx'],
  });
}

const apart: Pooling = { image: [2, 4, 6, 3], filterSize: [2, 2], strides: [2, 2], pad: 'valid' };

describe('positions of pool maxima', () => {
  it('are found where the input is fixed, once for both derivatives', () => {
    const separated = simplify(separatePoolMaxima(derivatives(apart), ['values', 'dy']));
    const { prologue, step } = splitGraph(separated, ['values', 'dy']);
    expect(kernelsOf(prologue)).toEqual([POOL_MAXIMA, POOL_SOURCES]);
    expect(kernelsOf(step)).toEqual([GATHER_AT, GATHER_AT]);
  });

  it('scatter the gradient where windows overlap', () => {
    const overlapping: Pooling = { ...apart, strides: [1, 2] };
    expect(kernelsOf(separatePoolMaxima(derivatives(overlapping), []))).toContain(SCATTER_TO);
  });

  it('are left alone where the input is variable', () => {
    const graph = derivatives(apart);
    expect(separatePoolMaxima(graph, ['input']).nodes).toEqual(graph.nodes);
  });

  it.skipIf(!hasNative)('give the same derivatives, also for ties', async () => {
    const extent = fc.integer({ min: 1, max: 3 });
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          image: fc.tuple(extent, fc.integer({ min: 3, max: 7 }), fc.integer({ min: 3, max: 7 }), extent),
          filterSize: fc.tuple(extent, extent),
          strides: fc.tuple(extent, extent),
          pad: fc.constantFrom('same' as const, 'valid' as const),
        }),
        fc.infiniteStream(fc.integer({ min: -2, max: 2 })),
        async (pooling, numbers) => {
          const graph = derivatives(pooling);
          const inputs = Object.fromEntries(
            Object.entries(graph.inputs).map(([name, id]) => {
              const shape = graph.values.get(id)?.shape ?? [];
              const size = shape.reduce((product, length) => product * length, 1);
              return [name, { shape, data: Float32Array.from([...numbers.take(size)]) }];
            }),
          );
          const expected = await runGraph(graph, inputs);
          expect(await runGraph(separatePoolMaxima(graph, []), inputs)).toEqual(expected);
        },
      ),
      { numRuns: 60 },
    );
  });
});
