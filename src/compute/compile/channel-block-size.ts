import { blockConvolutions } from './block-convolutions.js';
import type { Graph, GraphNode } from './graph.js';
import { compileNative, type OnnxRuntime } from './native-session.js';
import { NotCompilableError } from './trace.js';

/** Block sizes that ONNX Runtime uses, by the width of the vector registers. */
const CHANNEL_BLOCKS = [16, 8] as const;
/** Largest difference that rounding leaves between the two ways to compute sums of this size. */
const TOLERANCE = 1e-4;

/**
 * Two convolutions that need every conversion: channels fewer than a block, a
 * number that is no multiple of one, and one that is.
 */
function sampleGraph(): Graph {
  const attributes = { strides: [1, 1], pad: 'same', dataFormat: 'NHWC' };
  const convolve = (x: number, filter: number, output: number): GraphNode => ({
    kernel: 'Conv2D',
    inputs: { x, filter },
    attributes,
    outputs: [output],
  });
  const shapes = [
    [1, 5, 4, 3],
    [3, 3, 3, 20],
    [2, 2, 20, 32],
    [1, 5, 4, 20],
    [1, 5, 4, 32],
  ];
  return {
    values: new Map(shapes.map((shape, id) => [id, { shape, type: 'float32' }])),
    constants: new Map(),
    inputs: { x: 0, first: 1, second: 2 },
    nodes: [convolve(0, 1, 3), convolve(3, 2, 4)],
    outputs: { y: 4 },
  };
}

async function sampleResult(graph: Graph, runtime: OnnxRuntime): Promise<Float32Array> {
  const program = await compileNative(graph, 'blocks', { runtime, threads: 1 });
  try {
    const inputs = Object.entries(graph.inputs).map(([name, id]) => {
      const shape = [...(graph.values.get(id)?.shape ?? [])];
      const size = shape.reduce((product, extent) => product * extent, 1);
      return [
        name,
        new runtime.Tensor(
          'float32',
          Float32Array.from({ length: size }, (_, i) => Math.sin(i + id)),
          shape,
        ),
      ];
    });
    return (await program.run(Object.fromEntries(inputs))).y.data as Float32Array;
  } finally {
    await program.dispose();
  }
}

/** Null where ONNX Runtime does not have the operators, or not with these blocks. */
async function resultOrNull(graph: Graph, runtime: OnnxRuntime): Promise<Float32Array | null> {
  try {
    return await sampleResult(graph, runtime);
  } catch (error) {
    if (error instanceof NotCompilableError) {
      return null;
    }
    throw error;
  }
}

/**
 * Channels in a block of ONNX Runtime's blocked convolution on this machine,
 * found by computing with it: it is internal, so nothing else tells. Null
 * where it does not compute what the general convolution does.
 *
 * @param candidates sizes to try, in this order
 */
export async function channelBlockSize(
  runtime: OnnxRuntime,
  candidates: readonly number[] = CHANNEL_BLOCKS,
): Promise<number | null> {
  const graph = sampleGraph();
  const expected = await sampleResult(graph, runtime);
  for (const block of candidates) {
    const found = await resultOrNull(blockConvolutions(graph, block), runtime);
    if (found?.every((value, i) => Math.abs(value - expected[i]) <= TOLERANCE)) {
      return block;
    }
  }
  return null;
}
