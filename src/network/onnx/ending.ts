import type { OnnxCheckpoint } from '../../checkpoint/checkpoint.js';
import type { OnnxNode } from '../../checkpoint/onnx-graph.js';
import type { RemovedActivation } from '../output-transform.js';

/** An activation at the end of a graph, and how the graph reads without it. */
export interface Ending {
  readonly activation: RemovedActivation;
  /** The node of the activation. */
  readonly node: OnnxNode;
  /** What takes the place of which nodes. */
  readonly replacements: ReadonlyMap<OnnxNode, OnnxNode>;
}

/** Which node computes a value, by name. */
export function producers(nodes: readonly OnnxNode[]): Map<string, OnnxNode> {
  return new Map(nodes.flatMap((node) => node.outputs.map((output): [string, OnnxNode] => [output, node])));
}

/** Operators that hand on what a softmax gave. */
const PASSING = new Set(['Identity', 'Cast', 'Dropout', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);
const ENDINGS: Readonly<Record<string, RemovedActivation>> = {
  Softmax: 'softmax',
  LogSoftmax: 'softmax',
  Sigmoid: 'sigmoid',
};

function handingOn(node: OnnxNode): OnnxNode {
  return { ...node, opType: 'Identity', inputs: node.inputs.slice(0, 1), attributes: new Map() };
}

function isOne({ weights, graph }: OnnxCheckpoint, name: string): boolean {
  const constant = producers(graph.nodes).get(name)?.attributes.get('value');
  const values =
    constant?.kind === 'tensor'
      ? constant.value.values
      : weights.find((weight) => weight.name === name)?.values;
  return values !== undefined && values.length === 1 && values[0] === 1;
}

/**
 * The two probabilities 1 - p and p = sigmoid(z) that converters of
 * scikit-learn's binary classifiers join: the softmax of the logits 0 and z.
 */
function binaryEnding(checkpoint: OnnxCheckpoint, join: OnnxNode): Ending | null {
  const made = producers(checkpoint.graph.nodes);
  if (join.opType !== 'Concat' || join.inputs.length !== 2) {
    return null;
  }
  for (const [name, rest] of [join.inputs, [...join.inputs].reverse()]) {
    const sigmoid = made.get(name);
    const difference = made.get(rest);
    if (
      sigmoid?.opType === 'Sigmoid' &&
      sigmoid.domain === '' &&
      difference?.opType === 'Sub' &&
      difference.domain === '' &&
      difference.inputs[1] === name &&
      isOne(checkpoint, difference.inputs[0])
    ) {
      const [logit] = sigmoid.inputs;
      return {
        activation: 'softmax',
        node: join,
        replacements: new Map([
          [sigmoid, handingOn(sigmoid)],
          [difference, { ...difference, inputs: [logit, logit] }],
        ]),
      };
    }
  }
  return null;
}

/** Whether the file's shape of an output leaves more than one axis besides the batch. */
function hasSeveralAxes({ graph }: OnnxCheckpoint, output: string): boolean {
  const shape = graph.outputs.find(({ name }) => name === output)?.shape ?? [];
  return shape.slice(1).filter((extent) => extent !== 1).length > 1;
}

/**
 * The activation at the very end of a graph, also behind nodes that only hand
 * its numbers on. A log-softmax is as good as a softmax: its outputs are
 * logits of the same probabilities. A softmax over some of several axes is
 * none over the network's outputs, and stays.
 */
export function endingOf(checkpoint: OnnxCheckpoint, output: string): Ending | null {
  const made = producers(checkpoint.graph.nodes);
  let name = output;
  for (;;) {
    const node = made.get(name);
    if (node === undefined || node.domain !== '') {
      return null;
    }
    if (Object.hasOwn(ENDINGS, node.opType)) {
      const activation = ENDINGS[node.opType];
      return activation === 'softmax' && hasSeveralAxes(checkpoint, output)
        ? null
        : { activation, node, replacements: new Map([[node, handingOn(node)]]) };
    }
    if (!PASSING.has(node.opType)) {
      return binaryEnding(checkpoint, node);
    }
    name = node.inputs[0];
  }
}

/**
 * Whether a softmax whose operand has that shape is over all outputs of an
 * example. Before operator set 13 it is over all axes from its own on.
 */
export function coversOutputs(node: OnnxNode, opset: number, shape: readonly number[]): boolean {
  const given = node.attributes.get('axis');
  const axis = given?.kind === 'int' ? given.value : opset < 13 ? 1 : -1;
  const at = axis < 0 ? axis + shape.length : axis;
  return shape.every(
    (extent, index) => index === 0 || extent === 1 || (opset < 13 ? index >= at : index === at),
  );
}

/**
 * Whether the softmax that was taken off the end belongs to the network, because it is not over all outputs of an example.
 *
 * @param shape of its operand; null where that is not known
 */
export function keepsEnding(
  { ending, opset }: { ending: Ending | null; opset: number },
  shape: readonly number[] | null,
): boolean {
  if (ending?.activation !== 'softmax' || shape === null || ending.node.opType === 'Concat') {
    return false;
  }
  return !coversOutputs(ending.node, ending.node.opset ?? opset, shape);
}
