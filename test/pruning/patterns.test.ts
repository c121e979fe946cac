import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PatternKernel, prunePattern, readPattern } from '../../src/pruning/patterns.js';
import { channelAxes, weightSparsity } from '../../src/pruning/sparsity.js';

function kernel(
  shape: number[],
  order: 'keras' | 'torch',
  changes: Partial<PatternKernel> = {},
): PatternKernel {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return {
    ...{ name: 'k', shape, offset: 0, size, axes: channelAxes({ order, shape }), givesOutputs: false },
    ...changes,
  };
}

const pruned = (values: number[], of: PatternKernel, pattern: string) =>
  prunePattern(Float32Array.from(values), [of], readPattern(pattern)!);

describe('readPattern', () => {
  it('reads groups and channels, by their full names', () => {
    expect(readPattern('2:4')).toEqual({ kind: 'group', name: '2:4', kept: 2, group: 4 });
    expect(readPattern(' channel ')).toEqual({ kind: 'channel', name: 'channel:50%', share: 0.5 });
    expect(readPattern('channel:12.5%')).toEqual({ kind: 'channel', name: 'channel:12.5%', share: 0.125 });
  });

  it.each(['4:2', '4:4', '0:4', '2:99', '2', 'channels', 'channel:0%', 'channel:100%', 'channel:0.5', ''])(
    'refuses %j',
    (text) => {
      expect(readPattern(text)).toBeNull();
    },
  );
});

describe('2:4', () => {
  it('keeps two of four inputs of a Dense kernel [in, out]: down its columns', () => {
    const { pruned: mask, prunedWeights } = pruned(
      [
        ...[1, -8], //
        ...[-4, 7],
        ...[3, 6],
        ...[2, 5],
      ],
      kernel([4, 2], 'keras'),
      '2:4',
    );
    expect([...mask]).toEqual([
      ...[0, -8], //
      ...[-4, 7],
      ...[3, 0],
      ...[0, 0],
    ]);
    expect(prunedWeights).toBe(4);
  });

  it('keeps two of four inputs of a Gemm kernel [out, in]: along its rows', () => {
    const { pruned: mask } = pruned([1, -4, 3, 2, -8, 7, 6, 5], kernel([2, 4], 'torch'), '2:4');
    expect([...mask]).toEqual([0, -4, 3, 0, -8, 7, 0, 0]);
  });

  it('goes along the channels of a tfjs Conv kernel [h, w, in, out], window by window', () => {
    // 1x2 window, 4 inputs, 1 output.
    const { pruned: mask } = pruned([1, 2, 3, 4, 8, 7, 6, 5], kernel([1, 2, 4, 1], 'keras'), '2:4');
    expect([...mask]).toEqual([0, 0, 3, 4, 8, 7, 0, 0]);
  });

  it('goes along the channels of an ONNX Conv kernel [out, in, h, w]', () => {
    // 1 output, 4 inputs, 1x2 window: input i has the values at 2i and 2i + 1.
    const { pruned: mask } = pruned([1, 8, 2, 7, 3, 6, 4, 5], kernel([1, 4, 1, 2], 'torch'), '2:4');
    expect([...mask]).toEqual([0, 8, 0, 7, 3, 0, 4, 0]);
  });

  it('prunes equal magnitudes by their order', () => {
    expect([...pruned([1, -1, 1, -1], kernel([4, 1], 'keras'), '1:4').pruned]).toEqual([0, 0, 0, -1]);
  });

  it('leaves a kernel that it does not divide, and says so', () => {
    const found = pruned([1, 2, 3, 4, 5, 6], kernel([6, 1], 'keras'), '2:4');
    expect([...found.pruned]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(found.prunedWeights).toBe(0);
    expect(found.leftDense).toEqual([{ name: 'k', reason: '6 inputs are no multiple of 4' }]);
  });
});

describe('channel', () => {
  it('removes the output channels of smallest norm, each kernel for itself', () => {
    // [in, out] = [2, 4]: norms of columns sqrt(1 + 1), sqrt(25 + 0), sqrt(9 + 9), sqrt(4 + 0)
    const first = kernel([2, 4], 'keras');
    // [out, in] = [2, 1]
    const second = kernel([2, 1], 'torch', { name: 'second', offset: 8 });
    const { pruned: mask, prunedWeights } = prunePattern(
      Float32Array.of(1, 5, 3, 2, 1, 0, 3, 0, 9, -0.5),
      [first, second],
      readPattern('channel')!,
    );
    expect([...mask]).toEqual([0, 5, 3, 0, 0, 0, 3, 0, 9, 0]);
    expect(prunedWeights).toBe(5);
  });

  it('leaves the outputs of the network, and kernels of too few channels', () => {
    const { leftDense } = prunePattern(
      new Float32Array(6).fill(1),
      [
        kernel([2, 2], 'keras', { name: 'few' }),
        kernel([2, 1], 'keras', { name: 'last', offset: 4, givesOutputs: true }),
      ],
      readPattern('channel:30%')!,
    );
    expect(leftDense).toEqual([
      { name: 'few', reason: '2 output channels are too few' },
      { name: 'last', reason: 'its output channels are those of the network' },
    ]);
  });
});

it('what inspect judges conforms, and the kept are the largest of each group', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('keras' as const, 'torch' as const),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      fc.infiniteStream(fc.float({ noNaN: true, min: -1, max: 1 })),
      (order, groups, outputs, window, stream) => {
        const shape = order === 'keras' ? [window, 4 * groups, outputs] : [outputs, 4 * groups, window];
        const values = Array.from(
          { length: 4 * groups * outputs * window },
          () => stream.next().value as number,
        );
        const of = kernel(shape, order);
        for (const pattern of ['2:4', '1:4']) {
          const { pruned: mask } = pruned(values, of, pattern);
          const found = weightSparsity(mask, shape, of.axes).patterns.find(
            ({ kept, group }) => `${kept}:${group}` === pattern,
          )!;
          expect(found.conforming).toBe(found.groups);
          expect(mask.every((value, i) => value === 0 || value === Math.fround(values[i]!))).toBe(true);
        }
      },
    ),
  );
});
