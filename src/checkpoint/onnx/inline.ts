/** Nodes of a graph, with the functions of the model in the place of their calls. */
import { InputError } from '../../errors.js';
import type { OnnxBranch, OnnxNode } from '../onnx-graph.js';
import { printable, quoted } from '../printable.js';
import { branchesOf, calledFunction, type FunctionTable } from './bodies.js';
import { constantNode, freshName } from './constants.js';
import { type Attributes, invalidGraph, readAttributes, readNode } from './nodes.js';
import { importedOpset } from './opset.js';
import type { Initializer } from './sparse.js';
import { fieldsOf, messagesOf, textOf, textsOf, type WireMessage, type WireSource } from './wire.js';

/** How deep functions and branches may stand in one another. */
const MAX_DEPTH = 32;

/** Nodes that a graph may have: large published networks have some 10^4. A few functions can multiply to any number. */
const MAX_NODES = 2 ** 16;

/** What reading the nodes of a model takes. */
export interface Inlining {
  source: WireSource;
  functions: FunctionTable;
  /** Version of the default operators of the graph. */
  opset: number;
  /** Names of tensors that have become weights, by their TensorProto or SparseTensorProto. */
  weights: ReadonlyMap<WireMessage, string>;
  /** Names that stand in the graph. */
  taken: Set<string>;
}

/** Where a body stands. */
interface Place {
  /** Names of the body in the whole graph. */
  nameOf: (name: string) => string;
  /** What the names of nodes begin with. */
  prefix: string;
  /** Attributes of the call. */
  given: Attributes;
  /** Null in the graph itself. */
  opset: number | null;
  inside: string | null;
  /** Functions around it, innermost last. */
  calls: readonly WireMessage[];
  depth: number;
}

/** Names by which tensors that have become weights are known where they stand. */
export function weightNames(initializers: readonly Initializer[]): Map<WireMessage, string> {
  return new Map(initializers.map(({ field, name }) => [field.message!, name]));
}

/**
 * The nodes of the graph without Constant nodes of weights, calls of functions replaced by what the functions do.
 * Values inside get the name of the call before their own, weights that are handed to a function keep theirs.
 *
 * @throws InputError for a function that calls itself, for more than is read, and for what contradicts itself
 */
export function inlinedNodes(inlining: Inlining, graph: WireMessage): OnnxNode[] {
  const count = { nodes: 0 };
  return nodesOf(inlining, count, graph, {
    nameOf: (name) => name,
    prefix: '',
    given: new Map(),
    opset: null,
    inside: null,
    calls: [],
    depth: 0,
  });
}

function nodesOf(inlining: Inlining, count: { nodes: number }, body: WireMessage, place: Place): OnnxNode[] {
  const { source, functions } = inlining;
  if (place.depth > MAX_DEPTH) {
    throw invalidGraph(source.path, `functions and branches are in one another more than ${MAX_DEPTH} deep.`);
  }
  return messagesOf(body, 'node').flatMap((message, index): OnnxNode[] => {
    const constant = constantNode(source, message);
    // In the graph itself a Constant node whose name is taken contradicts it, and is left for the checks to find.
    if (constant !== null && inlining.weights.has(constant.field.message!)) return [];
    count.nodes++;
    if (count.nodes > MAX_NODES) {
      throw new InputError(
        'checkpoint/too-large',
        `${printable(source.path)}: with its functions in the place of their calls the graph has more than the ${MAX_NODES} nodes that are read.`,
      );
    }
    const read = readNode(source, message, index, place.given);
    const node: OnnxNode = {
      ...read,
      name: place.prefix + read.name,
      inputs: read.inputs.map((name) => (name === '' ? '' : place.nameOf(name))),
      outputs: read.outputs.map((name) => (name === '' ? '' : place.nameOf(name))),
      ...(place.opset !== null && place.opset !== inlining.opset && { opset: place.opset }),
      ...(place.inside !== null && { inside: place.inside }),
    };
    const called = calledFunction(source, functions, message);
    if (called !== null) return callOf(inlining, count, called, node, place);
    const branches = branchesOf(source, message);
    if (branches.size === 0) return [node];
    const attributes = new Map(node.attributes);
    for (const [name, branch] of branches) {
      attributes.set(name, { kind: 'branch', value: branchOf(inlining, count, branch, node, name, place) });
    }
    return [{ ...node, attributes }];
  });
}

/** What a function does for a call of it. */
function callOf(
  inlining: Inlining,
  count: { nodes: number },
  called: WireMessage,
  call: OnnxNode,
  place: Place,
): OnnxNode[] {
  const { source } = inlining;
  const label = `function ${quoted(call.opType)}`;
  if (place.calls.includes(called)) {
    throw invalidGraph(source.path, `${label} calls itself, directly or through others.`);
  }
  const [inputs, outputs] = [textsOf(source, called, 'input'), textsOf(source, called, 'output')];
  if (call.inputs.length > inputs.length || call.outputs.length > outputs.length) {
    throw invalidGraph(
      source.path,
      `node ${quoted(call.name)} hands ${label} more operands than it has, or takes more results.`,
    );
  }
  const names = new Map<string, string>();
  for (const [index, name] of inputs.entries()) names.set(name, call.inputs[index] ?? '');
  // A result that is an operand handed on, or a constant, has its name already.
  const handedOn: OnnxNode[] = [];
  const weights = constantNames(inlining, called);
  for (const [index, name] of outputs.entries()) {
    const wanted = call.outputs[index] ?? '';
    const present = names.get(name) ?? weights.get(name);
    if (present === undefined) {
      if (wanted !== '') names.set(name, wanted);
    } else if (wanted !== '') {
      handedOn.push({
        ...call,
        opType: 'Identity',
        domain: '',
        inputs: [present],
        outputs: [wanted],
        attributes: new Map(),
      });
    }
  }
  const prefix = `${call.name}/`;
  const given = new Map([
    ...readAttributes(source, messagesOf(called, 'attributeProto'), call),
    ...call.attributes,
  ]);
  const inner: Place = {
    nameOf: ownNames(inlining, called, names, weights, call.name, null),
    prefix,
    given,
    opset: importedOpset(source, called) ?? place.opset ?? inlining.opset,
    inside: label,
    calls: [...place.calls, called],
    depth: place.depth + 1,
  };
  const marked = handedOn.map((node) => ({ ...node, inside: label }));
  return [...nodesOf(inlining, count, called, inner), ...marked];
}

function branchOf(
  inlining: Inlining,
  count: { nodes: number },
  branch: WireMessage,
  node: OnnxNode,
  name: string,
  place: Place,
): OnnxBranch {
  const { source } = inlining;
  const prefix = `${node.name}/${name}`;
  const nameOf = ownNames(inlining, branch, new Map(), constantNames(inlining, branch), prefix, place.nameOf);
  const inner = { ...place, nameOf, prefix: `${prefix}/`, depth: place.depth + 1 };
  const inside = place.inside ?? `a branch of If ${quoted(node.name)}`;
  const nodes = nodesOf(inlining, count, branch, { ...inner, inside });
  const outputs = messagesOf(branch, 'output').map((output) => nameOf(textOf(source, output, 'name')));
  return { nodes, outputs };
}

/** Names of weights that a body holds, by what it calls them. */
function constantNames({ source, weights }: Inlining, body: WireMessage): Map<string, string> {
  const names = new Map<string, string>();
  const add = (own: string, tensor: WireMessage): void => {
    const name = weights.get(tensor);
    if (name !== undefined) names.set(own, name);
  };
  for (const node of messagesOf(body, 'node')) {
    const constant = constantNode(source, node);
    if (constant !== null) add(constant.name, constant.field.message!);
  }
  for (const { message } of fieldsOf(body, 'initializer')) add(textOf(source, message!, 'name'), message!);
  for (const { message } of fieldsOf(body, 'sparseInitializer')) {
    for (const values of messagesOf(message!, 'values')) add(textOf(source, values, 'name'), message!);
  }
  return names;
}

/**
 * Names of a body in the whole graph: those that are known, those of weights, fresh ones for what its nodes compute.
 *
 * @param around names around a branch; null for a function, which sees none
 */
function ownNames(
  { source, taken }: Inlining,
  body: WireMessage,
  known: ReadonlyMap<string, string>,
  weights: ReadonlyMap<string, string>,
  prefix: string,
  around: Place['nameOf'] | null,
): Place['nameOf'] {
  const names = new Map([...weights, ...known]);
  for (const node of messagesOf(body, 'node')) {
    for (const name of textsOf(source, node, 'output')) {
      if (name === '' || names.has(name)) continue;
      names.set(
        name,
        around === null ? freshName(`${prefix}/${name}`, prefix, taken) : freshName(name, prefix, taken),
      );
    }
  }
  return (name) => names.get(name) ?? (around === null ? `${prefix}/${name}` : around(name));
}
