import { type Graph, type GraphNode, graphValue, type ValueId } from './graph.js';
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

/** (x - mean) scale / sqrt(variance + epsilon) + offset as x times a factor for each channel and a sum with one. */
function writeNormalization(rebuilder: Rebuilder, graph: Graph, node: GraphNode): void {
  const { x, mean, variance, scale, offset } = node.inputs;
  const value = graphValue(graph, mean);
  const epsilon = rebuilder.scalar(node.attributes.varianceEpsilon as number);
  const ofChannels = (kernel: string, inputs: Record<string, ValueId>): ValueId =>
    rebuilder.add(kernel, inputs, {}, value);
  const deviation = ofChannels('Sqrt', { x: ofChannels('Add', { a: variance, b: epsilon }) });
  const factor = ofChannels('RealDiv', { a: scale ?? rebuilder.scalar(1), b: deviation });
  const moved = ofChannels('Multiply', { a: mean, b: factor });
  const shift = ofChannels('Sub', { a: offset ?? rebuilder.scalar(0), b: moved });
  const scaled = rebuilder.add('Multiply', { a: x, b: factor }, {}, graphValue(graph, node.outputs[0]));
  rebuilder.nodes.push({
    kernel: 'Add',
    inputs: { a: scaled, b: shift },
    attributes: {},
    outputs: node.outputs,
  });
}

/**
 * Writes fused convolutions and products as the kernel alone, the sum with
 * the bias and the activation, and normalisations in use as a product and a
 * sum, so that every other pass sees the plain kernels.
 *
 * @throws NotCompilableError for an activation that is not known
 */
export function separateFused(graph: Graph): Graph {
  const rebuilder = new Rebuilder(graph);
  for (const node of graph.nodes) {
    if (node.kernel === 'FusedBatchNorm') {
      writeNormalization(rebuilder, graph, node);
      continue;
    }
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
