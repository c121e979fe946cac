/** Graphs that take batches of one size alone: the batch stands in the middle of shapes that the file states. */
import { integerTensor, type ModelSketch, type NodeSketch, normalWeight } from '../../support/onnx-models.js';
import { type NetworkCase, node, type Weights } from './image-case.js';

/**
 * Examples [3, 4], batch second: `r` is [3, 2 * batch, 2]; what some nodes make of it, `o` [k, 2 * batch, m], becomes
 * the outputs.
 */
export function behindBatch(
  batch: number,
  nodes: readonly NodeSketch[],
  rest: { weights?: Weights; constants?: ModelSketch['constants']; opset?: number } = {},
): ModelSketch {
  return {
    opset: rest.opset ?? 13,
    input: [batch, 3, 4],
    nodes: [
      node('MatMul', ['input', 'w'], 'z'),
      node('Transpose', ['z'], 't', { perm: [1, 0, 2] }),
      node('Reshape', ['t', 'heads'], 'r'),
      ...nodes,
      node('Transpose', ['o'], 'b', { perm: [1, 0, 2] }),
      node('Reshape', ['b', 'flat'], 'y'),
    ],
    weights: { w: normalWeight([4, 4], 1, 0.6), ...rest.weights },
    constants: {
      heads: integerTensor([3, 2 * batch, 2]),
      flat: integerTensor([batch, -1]),
      ...rest.constants,
    },
  };
}

/** Self-attention as PyTorch exports it with a batch of one: sequence first, heads joined to the batch. */
const attention = behindBatch(1, [
  node('Transpose', ['r'], 'q', { perm: [1, 0, 2] }),
  node('Transpose', ['q'], 'k', { perm: [0, 2, 1] }),
  node('MatMul', ['q', 'k'], 'scores'),
  node('Softmax', ['scores'], 'share', { axis: -1 }),
  node('MatMul', ['share', 'q'], 'mixed'),
  node('Transpose', ['mixed'], 'o', { perm: [1, 0, 2] }),
]);

/** Networks for tests of derivatives and of compilation. */
export const fixedBatchCases: NetworkCase[] = [
  { name: 'attention of a batch of one', sketch: attention },
  {
    name: 'class token of a batch of one',
    sketch: behindBatch(
      1,
      [
        node('Concat', ['token', 'r'], 'c', { axis: 0 }),
        node('Softmax', ['c'], 's', { axis: 0 }),
        node('Add', ['s', 'positions'], 'a'),
        node('Tanh', ['a'], 'o'),
      ],
      { weights: { token: normalWeight([1, 2, 2], 2), positions: normalWeight([4, 1, 2], 3) } },
    ),
  },
];
