import type { OnnxNode } from '../../../checkpoint/onnx-graph.js';
import { type Operator, type OperatorTable, unsupported } from '../operator.js';
import { channelOperators } from './channels.js';
import { convolutionOperators } from './convolution.js';
import { einsumOperators } from './einsum.js';
import { elementwiseOperators } from './elementwise.js';
import { HOST_ONLY } from './host.js';
import { linearOperators } from './linear.js';
import { normalizationOperators } from './normalization.js';
import { poolingOperators } from './pooling.js';
import { reductionOperators } from './reduction.js';
import { resizeOperators } from './resize.js';
import { shapingOperators } from './shaping.js';
import { slicingOperators } from './slicing.js';

const operators: OperatorTable = {
  ...channelOperators,
  ...convolutionOperators,
  ...einsumOperators,
  ...elementwiseOperators,
  ...linearOperators,
  ...normalizationOperators,
  ...poolingOperators,
  ...reductionOperators,
  ...resizeOperators,
  ...shapingOperators,
  ...slicingOperators,
};

/**
 * The tensor operator of a node.
 *
 * @throws InputError where there is none
 */
export function operatorOf(node: OnnxNode, opset: number): Operator {
  if (node.domain !== '' || !Object.hasOwn(operators, node.opType)) {
    throw unsupported({ node, opset });
  }
  return operators[node.opType];
}

/** Whether prune-limit knows a node's operator. */
export function isKnown(node: OnnxNode): boolean {
  return node.domain === '' && (Object.hasOwn(operators, node.opType) || HOST_ONLY.includes(node.opType));
}
