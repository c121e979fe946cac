import { type Graph, type GraphNode, graphValue } from './graph.js';
import { Rebuilder } from './rebuilder.js';
import { NotCompilableError } from './trace.js';

/** What tfjs computes together with bias and activation in forward passes, and its kernel alone. */
const FUSED: Readonly<Record<string, string>> = {
  FusedConv2D: 'Conv2D',
  FusedDepthwiseConv2D: 'DepthwiseConv2dNative',
  _FusedMatMul: 'BatchMatMul',
};

/** Where tfjs has none given: `LeakyRelu` of fused kernels. */
const DEFAULT_LEAKY_RELU_ALPHA = 0.2;

/** A kernel that reads the result of the one before under the name `reads`. */
interface Step extends Omit<GraphNode, 'outputs'> {
  reads: string;
}

/** The activation of a fused kernel as kernels of its own: one, or none. */
function activationSteps({ kernel, attributes }: GraphNode): Step[] {
  const activation = (attributes.activation as string | undefined) ?? 'linear';
  const plain = (name: string): Step[] => [{ kernel: name, inputs: {}, attributes: {}, reads: 'x' }];
  switch (activation) {
    case 'linear':
      return [];
    case 'relu':
      return plain('Relu');
    case 'relu6':
      return plain('Relu6');
    case 'elu':
      return plain('Elu');
    case 'sigmoid':
      return plain('Sigmoid');
    case 'leakyrelu': {
      const alpha = attributes.leakyreluAlpha ?? DEFAULT_LEAKY_RELU_ALPHA;
      return [{ kernel: 'LeakyRelu', inputs: {}, attributes: { alpha }, reads: 'x' }];
    }
    default:
      throw new NotCompilableError(`${kernel} with fused activation ${activation}`);
  }
}

/**
 * Writes fused convolutions and products as the kernel alone, the sum with
 * the bias and the activation, so that every other pass sees the plain kernels.
 *
 * @throws NotCompilableError for an activation that is not known
 */
export function separateFused(graph: Graph): Graph {
  const rebuilder = new Rebuilder(graph);
  for (const node of graph.nodes) {
    const kernel = FUSED[node.kernel];
    if (kernel === undefined) {
      rebuilder.nodes.push(node);
      continue;
    }
    const { bias, ...inputs } = node.inputs;
    const { activation: _, leakyreluAlpha: __, ...attributes } = node.attributes;
    const steps: Step[] = [
      { kernel, inputs, attributes, reads: '' },
      ...(bias === undefined ? [] : [{ kernel: 'Add', inputs: { b: bias }, attributes: {}, reads: 'a' }]),
      ...activationSteps(node),
    ];
    const last = steps.length - 1;
    let before = node.outputs[0];
    steps.forEach(({ reads, ...step }, index) => {
      const read = index === 0 ? step.inputs : { [reads]: before, ...step.inputs };
      if (index === last) {
        rebuilder.nodes.push({ ...step, inputs: read, outputs: node.outputs });
      } else {
        before = rebuilder.add(step.kernel, read, step.attributes, graphValue(graph, node.outputs[0]));
      }
    });
  }
  return rebuilder.finish();
}
