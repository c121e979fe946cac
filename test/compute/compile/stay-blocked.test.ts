import {
  add,
  conv2d,
  mul,
  relu,
  rsqrt,
  square,
  sub,
  sum,
  type Tensor,
  type Tensor4D,
  tensor,
  valueAndGrads,
} from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../../src/compute/backend.js';
import { blockConvolutions } from '../../../src/compute/compile/block-convolutions.js';
import { blockFilterGradients } from '../../../src/compute/compile/block-filter-gradients.js';
import { BLOCK_CHANNELS, UNBLOCK_CHANNELS } from '../../../src/compute/compile/channel-blocks.js';
import { BLOCK_OUTPUT_GRADIENT } from '../../../src/compute/compile/example-blocks.js';
import type { Graph } from '../../../src/compute/compile/graph.js';
import { TracedProgram } from '../../../src/compute/compile/program.js';
import { simplify } from '../../../src/compute/compile/simplify.js';
import { BLOCKED_SUM, stayBlocked } from '../../../src/compute/compile/stay-blocked.js';
import { normalVector } from '../../support/vectors.js';
import { graphOf, hasNative, kernelsOf, type NodeSketch, native } from './support.js';

const IMAGE = [2, 3, 4, 32];

/** Nodes after an image that comes out of a convolution over blocks. */
function graphFor(nodes: NodeSketch[], values: Record<string, readonly number[]>, outputs: string[]): Graph {
  const [batch, height, width, channels] = IMAGE;
  return graphOf({
    values: {
      blocks: [batch, channels, height, width],
      x: IMAGE,
      scale: [channels],
      other: IMAGE,
      ...values,
    },
    inputs: ['blocks', 'scale', 'other'],
    nodes: [
      {
        kernel: UNBLOCK_CHANNELS,
        inputs: { x: 'blocks' },
        outputs: ['x'],
        attributes: { block: 8, channels },
      },
      ...nodes,
    ],
    outputs,
  });
}

const written = (graph: Graph, block: number | null = 8): string[] =>
  kernelsOf(simplify(stayBlocked(graph, block))).filter((kernel) => kernel !== 'Reshape');

describe('images in blocks of channels', () => {
  const scaled: NodeSketch = { kernel: 'Multiply', inputs: { a: 'x', b: 'scale' }, outputs: ['y'] };
  const again: NodeSketch = {
    kernel: BLOCK_CHANNELS,
    inputs: { x: 'z' },
    outputs: ['b'],
    attributes: { block: 8 },
  };
  const [batch, height, width, channels] = IMAGE;
  const shapes = { y: IMAGE, z: IMAGE, b: [batch, channels, height, width], s: [channels] };

  it('stay in them between convolutions', () => {
    const rectified: NodeSketch = { kernel: 'Relu', inputs: { x: 'y' }, outputs: ['z'] };
    const graph = graphFor([scaled, rectified, again], shapes, ['b']);
    expect(written(graph)).toEqual(['Multiply', 'Relu']);
    expect(written(graph, 16)).toEqual(['Multiply', 'Relu']);
    expect(written(graph, null)).toEqual([UNBLOCK_CHANNELS, 'Multiply', 'Relu', BLOCK_CHANNELS]);
  });

  it('are arranged once for what has others only', () => {
    const added: NodeSketch = { kernel: 'Add', inputs: { a: 'y', b: 'other' }, outputs: ['z'] };
    expect(written(graphFor([scaled, added, again], shapes, ['b']))).toEqual([
      'Multiply',
      BLOCK_CHANNELS,
      'Add',
    ]);
  });

  it('are summed in them', () => {
    const summed: NodeSketch = {
      kernel: 'Sum',
      inputs: { x: 'y' },
      outputs: ['s'],
      attributes: { axis: [0, 1, 2], keepDims: false },
    };
    expect(written(graphFor([scaled, summed], shapes, ['s']))).toEqual(['Multiply', BLOCKED_SUM]);
  });

  it('come with channels last where that is wanted', () => {
    expect(written(graphFor([scaled], shapes, ['y']))).toEqual(['Multiply', UNBLOCK_CHANNELS]);
    const pooled: NodeSketch = {
      kernel: 'Sum',
      inputs: { x: 'y' },
      outputs: ['p'],
      attributes: { axis: [1, 2] },
    };
    const graph = graphFor([scaled, pooled], { ...shapes, p: [batch, channels] }, ['p']);
    expect(written(graph)).toEqual(['Multiply', UNBLOCK_CHANNELS, 'Sum']);
  });

  it('are left alone where a block holds all channels, or numbers are no channel', () => {
    const wide: NodeSketch = { kernel: 'Multiply', inputs: { a: 'x', b: 'columns' }, outputs: ['y'] };
    const graph = graphFor([wide], { ...shapes, columns: [4, 1] }, ['y']);
    const given: Graph = { ...graph, inputs: { ...graph.inputs } };
    expect(written(given)).toEqual([UNBLOCK_CHANNELS, 'Multiply']);
    const narrow = graphFor([scaled], shapes, ['y']);
    expect(written(narrow, 32)).toEqual([UNBLOCK_CHANNELS, 'Multiply']);
  });
});

const BATCH = 16;
const SIZE = 8;

/** Two normalised convolutions with a shortcut, as in a residual network. */
function residual(width: number, batch: number) {
  // As training says it: by a factor that is the same for all sizes of a batch.
  const mean = (x: Tensor): Tensor => mul(sum(x, [0, 1, 2]), 1 / (batch * SIZE * SIZE));
  const normalized = (x: Tensor, scale: Tensor, offset: Tensor): Tensor => {
    const average = mean(x);
    const centred = sub(x, average);
    const variance = mean(square(centred));
    return add(mul(centred, mul(rsqrt(add(variance, 1e-3)), scale)), offset);
  };
  const loss = (x: Tensor, [first, second, scale, offset]: Tensor[]): Tensor => {
    const convolved = (image: Tensor, filter: Tensor): Tensor =>
      conv2d(image as Tensor4D, filter as Tensor4D, 1, 'same');
    const inner = relu(normalized(convolved(x, first), scale, offset));
    const outer = relu(add(normalized(convolved(inner, second), scale, offset), inner));
    return sum(square(outer));
  };
  const random = (shape: number[], seed: number, scale: number): Tensor =>
    tensor(
      Float32Array.from(
        normalVector(
          shape.reduce((a, b) => a * b, 1),
          seed,
        ),
        (value) => scale * value,
      ),
      shape,
    );
  return {
    name: 'residual',
    run: ({ x, ...weights }: Record<string, Tensor>) => {
      const names = Object.keys(weights).sort();
      const { value, grads } = valueAndGrads((...given: Tensor[]) => loss(x, given) as never)(
        names.map((name) => weights[name]),
      );
      return { value, ...Object.fromEntries(names.map((name, index) => [`d${name}`, grads[index]])) };
    },
    sampleInputs: (size: number) => ({
      x: random([size, SIZE, SIZE, width], 1, 1),
      w0: random([3, 3, width, width], 2, 0.1),
      w1: random([3, 3, width, width], 3, 0.1),
      w2: random([width], 4, 1),
      w3: random([width], 5, 1),
    }),
  };
}

describe('a residual network in blocks of channels', () => {
  beforeAll(async () => {
    await prepareBackend('wasm');
  });

  it.skipIf(!hasNative).each([
    ['two blocks of channels, blocks of examples apart', 2, 16],
    ['three blocks of channels, examples that fill no blocks', 3, 40],
  ])('has the gradient of tfjs: %s', async (_, blocks, batch) => {
    const program = residual(blocks * (native.channelBlock ?? 16), batch);
    const inputs = program.sampleInputs(batch);
    const expected: Record<string, Tensor> = program.run(inputs);
    const compiled = await TracedProgram.trace(program).compile(batch, native);
    const { runtime } = native;
    const found = await compiled.run(
      Object.fromEntries(
        Object.entries(inputs).map(([name, value]) => [
          name,
          new runtime.Tensor('float32', value.dataSync() as Float32Array, value.shape),
        ]),
      ),
    );
    for (const [name, value] of Object.entries(expected)) {
      const [own, theirs] = [found[name].data as Float32Array, value.dataSync() as Float32Array];
      const largest = Math.max(...theirs.map(Math.abs));
      own.forEach((each, index) => {
        expect(Math.abs(each - theirs[index]) / largest, `${name}[${index}]`).toBeLessThan(2e-5);
      });
    }
    await compiled.dispose();
  });

  it('leaves blocks for filter gradients and its result alone', () => {
    const traced = TracedProgram.trace(residual(32, BATCH)) as unknown as {
      simplified(batch: number): Graph;
    };
    const graph = blockFilterGradients(blockConvolutions(traced.simplified(BATCH), 16), 16);
    const kernels = kernelsOf(simplify(stayBlocked(graph, 16)));
    const count = (kernel: string): number => kernels.filter((each) => each === kernel).length;
    // The image that is given, and four that are filled with a number for each channel: how tfjs says the gradient of a sum.
    expect(count(BLOCK_CHANNELS)).toBe(5);
    // The image of which the second filter gradient is taken, and the result.
    expect(count(UNBLOCK_CHANNELS)).toBe(2);
    expect(count(BLOCK_OUTPUT_GRADIENT)).toBe(2);
    expect(count('Sum')).toBe(1);
  });
});
