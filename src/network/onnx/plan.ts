import type { OnnxCheckpoint } from '../../checkpoint/checkpoint.js';
import type { OnnxNode, OnnxValue } from '../../checkpoint/onnx-graph.js';
import { quoted, quotedList } from '../../checkpoint/printable.js';
import { InputError } from '../../errors.js';
import { type Ending, endingOf, producers } from './ending.js';

/** Numbers of TensorProto.DataType that are computed with as float32. */
export const FLOAT_TYPES: ReadonlySet<number> = new Set([1, 10, 11, 16]);

/** Names of the other element types an input can have. */
const OTHER_TYPES: Readonly<Record<number, string>> = {
  2: 'uint8',
  3: 'int8',
  4: 'uint16',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  8: 'string',
  9: 'bool',
  12: 'uint32',
  13: 'uint64',
  14: 'complex64',
  15: 'complex128',
};

/** The nodes that a network needs, and between which values they lead. */
export interface Plan {
  readonly nodes: readonly OnnxNode[];
  readonly opset: number;
  readonly input: OnnxValue;
  /** The name of the value that is the network's output. */
  readonly output: string;
  /** The activation that was taken off the end, if any. */
  readonly ending: Ending | null;
}

/** The nodes a value depends on, in order. */
export function neededFor(nodes: readonly OnnxNode[], output: string): OnnxNode[] {
  const needed = new Set([output]);
  const kept: OnnxNode[] = [];
  for (const node of [...nodes].reverse()) {
    if (node.outputs.some((name) => needed.has(name))) {
      kept.push(node);
      for (const name of node.inputs) {
        needed.add(name);
      }
    }
  }
  return kept.reverse();
}

/**
 * The value that is the network's output: the only floating-point output of
 * the graph. A ZipMap, with which scikit-learn's converters turn probabilities
 * into dictionaries, is looked through; labels are integers or strings, and
 * left out.
 */
function networkOutput({ path, graph }: OnnxCheckpoint): string {
  const made = producers(graph.nodes);
  const candidates = graph.outputs.flatMap(({ name, elementType }) => {
    const node = made.get(name);
    if (node?.opType === 'ZipMap') {
      return [node.inputs[0]];
    }
    return FLOAT_TYPES.has(elementType) ? [name] : [];
  });
  if (candidates.length !== 1) {
    throw new InputError(
      'network/several-outputs',
      `${path}: the graph has ${candidates.length} floating-point outputs${candidates.length === 0 ? '' : ` (${quotedList(candidates)})`}: prune-limit analyses networks with one; export the model with its logits alone`,
    );
  }
  return candidates[0];
}

function networkInput({ path, graph }: OnnxCheckpoint): OnnxValue {
  if (graph.inputs.length !== 1) {
    throw new InputError(
      'network/several-inputs',
      `${path}: the model has ${graph.inputs.length} inputs${graph.inputs.length === 0 ? '' : ` (${quotedList(graph.inputs.map(({ name }) => name))})`}: prune-limit analyses networks with one; export the model with one, the others as constants`,
    );
  }
  const [input] = graph.inputs;
  if (!FLOAT_TYPES.has(input.elementType)) {
    throw new InputError(
      'network/input-type',
      `${path}: input ${quoted(input.name)} is of type ${OTHER_TYPES[input.elementType] ?? `number ${input.elementType}`}: prune-limit analyses networks of real numbers; export the model with an input of float32`,
    );
  }
  if (input.shape === null || input.shape.length === 0) {
    throw new InputError(
      'network/input-shape',
      `${path}: input ${quoted(input.name)} has no batch axis; export the model with the shape of its input`,
    );
  }
  return input;
}

/**
 * What must be computed for the network's output.
 *
 * @param keepFinalActivation leaves a softmax or sigmoid at the end
 * @throws InputError where the graph has not one input and one output of real numbers
 */
export function planOf(checkpoint: OnnxCheckpoint, keepFinalActivation: boolean): Plan {
  const { graph } = checkpoint;
  const input = networkInput(checkpoint);
  const output = networkOutput(checkpoint);
  const ending = keepFinalActivation ? null : endingOf(checkpoint, output);
  const nodes = graph.nodes.map((node) => ending?.replacements.get(node) ?? node);
  return { nodes: neededFor(nodes, output), opset: graph.opset, input, output, ending };
}

/**
 * Extents of the input without the batch axis, null where they are free; the
 * channels follow from a convolution that reads the input, where the file does
 * not say them.
 *
 * @param shapes of weights by name
 */
export function inputExtents(
  { nodes, input }: Plan,
  shapes: ReadonlyMap<string, readonly number[]>,
): (number | null)[] {
  const [, channels, ...rest] = input.shape as readonly (number | null)[];
  const stem = nodes.find(
    ({ opType, domain, inputs }) => opType === 'Conv' && domain === '' && inputs[0] === input.name,
  );
  const kernel = stem === undefined ? undefined : shapes.get(stem.inputs[1]);
  if (channels !== null || kernel === undefined) {
    return (input.shape as readonly (number | null)[]).slice(1);
  }
  const group = stem?.attributes.get('group');
  return [kernel[1] * (group?.kind === 'int' ? group.value : 1), ...rest];
}

/** Values that depend on the network's input. */
export function dependentOnInput({ nodes, input }: Plan): Set<string> {
  const dependent = new Set([input.name]);
  for (const node of nodes) {
    if (node.inputs.some((name) => dependent.has(name))) {
      for (const name of node.outputs) {
        dependent.add(name);
      }
    }
  }
  return dependent;
}
