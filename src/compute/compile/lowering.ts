import type { Lowering, OnnxBuilder } from './builder.js';
import { blockedConvolutionLowerings } from './channel-blocks.js';
import { convolutionLowerings } from './convolution-lowering.js';
import { elementwiseLowerings } from './elementwise-lowering.js';
import { exampleBlockLowerings } from './example-blocks.js';
import { elementCount, type GraphNode } from './graph.js';
import { input } from './kernel-inputs.js';
import { phaseLowerings } from './phases.js';
import { poolingLowerings } from './pooling-lowering.js';
import { productSumLowerings } from './product-sums.js';
import { reductionLowerings } from './reduction-lowering.js';
import { resizeLowerings } from './resize-lowering.js';
import { scaledSumLowerings } from './scaled-sums.js';
import { shapingLowerings } from './shaping-lowering.js';
import { blockedSumLowerings } from './stay-blocked.js';
import { NotCompilableError } from './trace.js';

/**
 * Numbers of a result from which on the left operand is transposed before the
 * product and not in it: that is 10 to 30 % faster (measured).
 */
const LARGE_RESULT = 2 ** 17;

function matMul(node: GraphNode, builder: OnnxBuilder): string {
  const [a, b] = [input(node, 'a'), input(node, 'b')];
  const transposeA = node.attributes.transposeA === true;
  const transposeB = node.attributes.transposeB === true;
  const [rankA, rankB] = [a, b].map((id) => builder.value(id).shape.length);
  const { shape } = builder.value(node.outputs[0]);
  if (rankA === 2 && rankB === 2 && transposeA && !transposeB && elementCount(shape) >= LARGE_RESULT) {
    // A reshaping between the two keeps ONNX Runtime from making one product of them.
    const left = builder.transpose(builder.full(a), [1, 0]);
    const rows = builder.reshape(left, [1, shape[0], builder.value(a).shape[0]]);
    return builder.reshape(builder.add('MatMul', [rows, builder.full(b)]), shape);
  }
  if (rankA === 2 && rankB === 2 && (transposeA || transposeB)) {
    return builder.add('Gemm', [builder.full(a), builder.full(b)], {
      transA: transposeA ? 1 : 0,
      transB: transposeB ? 1 : 0,
    });
  }
  const swapped = (name: string, rank: number): string =>
    builder.transpose(
      name,
      [...Array(rank).keys()].map((axis) =>
        axis === rank - 1 ? rank - 2 : axis === rank - 2 ? rank - 1 : axis,
      ),
    );
  const left = transposeA ? swapped(builder.full(a), rankA) : builder.full(a);
  const right = transposeB ? swapped(builder.full(b), rankB) : builder.full(b);
  return builder.add('MatMul', [left, right]);
}

/** How every kernel of a traced program is said in ONNX. */
const lowerings: Readonly<Record<string, Lowering>> = {
  Softmax: (node, builder) => [builder.add('Softmax', [builder.full(input(node, 'logits'))], { axis: -1 })],
  LogSoftmax: (node, builder) => [
    builder.add('LogSoftmax', [builder.full(input(node, 'logits'))], { axis: -1 }),
  ],
  BatchMatMul: (node, builder) => [matMul(node, builder)],
  ...elementwiseLowerings,
  ...reductionLowerings,
  ...shapingLowerings,
  ...blockedConvolutionLowerings,
  ...exampleBlockLowerings,
  ...scaledSumLowerings,
  ...convolutionLowerings,
  ...poolingLowerings,
  ...phaseLowerings,
  ...productSumLowerings,
  ...blockedSumLowerings,
  ...resizeLowerings,
};

/**
 * Emits the ONNX nodes of one traced kernel.
 *
 * @throws NotCompilableError naming the kernel where there is no lowering
 */
export function lower(node: GraphNode, builder: OnnxBuilder): void {
  const lowering = lowerings[node.kernel];
  if (lowering === undefined) {
    throw new NotCompilableError(`kernel ${node.kernel} has no ONNX lowering`);
  }
  lowering(node, builder).forEach((name, index) => {
    builder.define(node.outputs[index], name);
  });
}
