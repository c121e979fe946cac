import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { breakEvenDensity, storedSizes, weightSparsity } from '../../src/pruning/sparsity.js';

describe('zeros of a weight', () => {
  it('are counted, -0 among them, whatever the axes', () => {
    const values = Float32Array.of(0, -0, 1, -2, 0, 3);
    expect(weightSparsity(values, [2, 3], null)).toEqual({ zeros: 3, patterns: [], channels: null });
  });

  it('keep a pattern along the inputs where every group does', () => {
    // Two outputs of eight inputs, outputs first as in torch.
    const values = Float32Array.of(1, 0, 2, 0, 0, 0, 0, 3, 1, 1, 1, 0, 0, 0, 0, 0);
    const { patterns } = weightSparsity(values, [2, 8], { output: 0, input: 1 });
    expect(patterns).toEqual([
      { kept: 2, group: 4, conforming: 3, groups: 4 },
      { kept: 1, group: 4, conforming: 2, groups: 4 },
      { kept: 4, group: 8, conforming: 2, groups: 2 },
    ]);
  });

  it('are the same whichever way the axes are stored', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 12 }),
        fc.infiniteStream(fc.constantFrom(0, 0, 0, 1, 2)),
        (outputs, inputs, stream) => {
          const torch = Float32Array.from({ length: outputs * inputs }, () => stream.next().value as number);
          const keras = Float32Array.from(
            torch,
            (_, i) => torch[(i % outputs) * inputs + Math.floor(i / outputs)],
          );
          expect(weightSparsity(keras, [inputs, outputs], { output: 1, input: 0 })).toEqual(
            weightSparsity(torch, [outputs, inputs], { output: 0, input: 1 }),
          );
        },
      ),
    );
  });

  it('leave channels empty, and channels may repeat each other', () => {
    // Window 1 x 2, two inputs, four outputs, channels last: outputs 0 and 2 are equal, 3 is empty; input 1 is empty.
    const values = Float32Array.of(1, 5, 1, 0, 0, 0, 0, 0, 2, 6, 2, 0, 0, -0, 0, 0);
    expect(weightSparsity(values, [1, 2, 2, 4], { output: 3, input: 2 }).channels).toEqual({
      outputs: 4,
      zeroOutputs: 1,
      repeatedOutputs: 1,
      inputs: 2,
      zeroInputs: 1,
    });
  });

  it('are none in an empty weight', () => {
    expect(weightSparsity(new Float32Array(0), [0, 4], { output: 0, input: 1 })).toEqual({
      zeros: 0,
      patterns: [],
      channels: null,
    });
  });
});

describe('sizes', () => {
  it.each([1, 2, 4, 8])('are equal at the break-even densities of numbers of %i bytes', (elementBytes) => {
    const elements = 64 * 9 * 5 * 100;
    const density = breakEvenDensity(elementBytes);
    const positions = storedSizes(elements, Math.round(density.positions * elements), elementBytes);
    expect(positions.positions).toBe(positions.dense);
    const bitmask = storedSizes(elements, Math.round(density.bitmask * elements), elementBytes);
    expect(bitmask.bitmask).toBe(bitmask.dense);
  });
});
