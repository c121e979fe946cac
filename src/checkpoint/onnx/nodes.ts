/** The nodes of an ONNX graph: their attributes, and an order in which they can be computed. */
import { InputError } from '../../errors.js';
import { ONNX_ATTRIBUTE_TYPES } from '../../onnx-schema.js';
import type { OnnxAttribute, OnnxNode, OnnxValue } from '../onnx-graph.js';
import { printable, quoted } from '../printable.js';
import { decodeTensor, readTensorHead } from './tensors.js';
import {
  bytesOf,
  damaged,
  fieldsOf,
  fixedBytes,
  floatOf,
  gatherFixed,
  integerCount,
  integerOf,
  integersOf,
  messageOf,
  messagesOf,
  textOf,
  textsOf,
  type WireMessage,
  type WireSource,
} from './wire.js';

/** The InputError for a graph that contradicts itself. */
export function invalidGraph(path: string, problem: string): InputError {
  return new InputError('checkpoint/invalid-graph', `${printable(path)}: ${problem}`);
}

/** Names of operator domains, with both names of the default one made the same. */
export function operatorDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

/** Attributes by name. */
export type Attributes = ReadonlyMap<string, OnnxAttribute>;

/**
 * Reads a NodeProto; `index` is its place in the file.
 *
 * @param given attributes of the call, where the node stands in a function and may refer to them
 */
export function readNode(
  source: WireSource,
  message: WireMessage,
  index: number,
  given: Attributes = new Map(),
): OnnxNode {
  const name = textOf(source, message, 'name') || `#${index}`;
  const opType = textOf(source, message, 'opType');
  const domain = operatorDomain(textOf(source, message, 'domain'));
  const messages = messagesOf(message, 'attribute');
  return {
    name,
    opType,
    domain,
    inputs: textsOf(source, message, 'input'),
    outputs: textsOf(source, message, 'output'),
    attributes: readAttributes(source, messages, { name, opType }, given),
  };
}

/**
 * Reads AttributeProtos, those that refer to attributes of a call from `given`.
 *
 * @throws InputError `checkpoint/invalid-graph` for two of one name
 */
export function readAttributes(
  source: WireSource,
  messages: readonly WireMessage[],
  node: Pick<OnnxNode, 'name' | 'opType'>,
  given: Attributes = new Map(),
): Map<string, OnnxAttribute> {
  const attributes = new Map<string, OnnxAttribute>();
  for (const attribute of messages) {
    const key = textOf(source, attribute, 'name');
    if (attributes.has(key)) {
      throw invalidGraph(source.path, `${nodeLabel(node)} has two attributes ${quoted(key)}.`);
    }
    const reference = textOf(source, attribute, 'refAttrName');
    const value =
      reference === '' ? readAttribute(source, attribute, `${node.name}.${key}`) : given.get(reference);
    // One that refers to an attribute that the call leaves out is left out, too.
    if (value !== undefined) attributes.set(key, value);
  }
  return attributes;
}

function nodeLabel({ name, opType }: Pick<OnnxNode, 'name' | 'opType'>): string {
  return `node ${quoted(name)} (${printable(opType)})`;
}

/** Entries of the longest list that an attribute of a supported operator could have. */
const MAX_LIST = 2 ** 20;

/** Field that holds the value of each type; files of IR version 1 give no type. */
const ATTRIBUTE_FIELDS = {
  f: ONNX_ATTRIBUTE_TYPES.float,
  i: ONNX_ATTRIBUTE_TYPES.int,
  s: ONNX_ATTRIBUTE_TYPES.string,
  t: ONNX_ATTRIBUTE_TYPES.tensor,
  floats: ONNX_ATTRIBUTE_TYPES.floats,
  ints: ONNX_ATTRIBUTE_TYPES.ints,
  strings: ONNX_ATTRIBUTE_TYPES.strings,
} as const;

function attributeType(source: WireSource, message: WireMessage): number | undefined {
  const type = integerOf(source, message, 'type');
  if (type !== 0) return type;
  const field = message.fields.find(({ name }) => name !== null && name in ATTRIBUTE_FIELDS);
  return field && ATTRIBUTE_FIELDS[field.name as keyof typeof ATTRIBUTE_FIELDS];
}

function readAttribute(source: WireSource, message: WireMessage, label: string): OnnxAttribute {
  const types = ONNX_ATTRIBUTE_TYPES;
  switch (attributeType(source, message)) {
    case types.float:
      return { kind: 'float', value: floatOf(source, message, 'f') };
    case types.int:
      return { kind: 'int', value: integerOf(source, message, 'i') };
    case types.string:
      return stringAttribute(bytesOf(source, message, 's') ?? new Uint8Array());
    case types.tensor:
      return tensorAttribute(source, message, label);
    case types.floats:
      if (fixedBytes(message, 'floats') % 4 !== 0) {
        throw damaged(source, message.start, 'a list of floats is cut short');
      }
      if (fixedBytes(message, 'floats') > 4 * MAX_LIST) return { kind: 'unsupported' };
      return { kind: 'floats', value: [...new Float32Array(gatherFixed(source, message, 'floats').buffer)] };
    case types.ints:
      if (integerCount(source, message, 'ints') > MAX_LIST) return { kind: 'unsupported' };
      return { kind: 'ints', value: [...integersOf(source, message, 'ints')] };
    case types.strings:
      return stringsAttribute(source, message);
    default:
      return { kind: 'unsupported' };
  }
}

/** Text, or null for bytes that are none, which operators of other domains have. */
function decodeText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function stringAttribute(bytes: Uint8Array): OnnxAttribute {
  const value = decodeText(bytes);
  return value === null ? { kind: 'unsupported' } : { kind: 'string', value };
}

function stringsAttribute(source: WireSource, message: WireMessage): OnnxAttribute {
  const values = fieldsOf(message, 'strings').map(({ start, end }) =>
    decodeText(source.bytes.subarray(start, end)),
  );
  return values.includes(null)
    ? { kind: 'unsupported' }
    : { kind: 'strings', value: values.filter((value) => value !== null) };
}

/** A tensor of a type that is not read, or with external data, does no harm before an operator needs it. */
function tensorAttribute(source: WireSource, message: WireMessage, label: string): OnnxAttribute {
  const tensor = messageOf(message, 't');
  if (tensor === null) return { kind: 'unsupported' };
  try {
    const head = readTensorHead(source, tensor, label);
    return head.external === null
      ? { kind: 'tensor', value: decodeTensor(source, head) }
      : { kind: 'unsupported' };
  } catch (error) {
    if (error instanceof InputError && error.code === 'checkpoint/unsupported-dtype') {
      return { kind: 'unsupported' };
    }
    throw error;
  }
}

/** Reads a ValueInfoProto; the type of what is no tensor (a sequence, a map) is 0. */
export function readValue(source: WireSource, message: WireMessage): OnnxValue {
  const type = messageOf(message, 'type');
  const tensor = type && messageOf(type, 'tensorType');
  const shape = tensor && messageOf(tensor, 'shape');
  return {
    name: textOf(source, message, 'name'),
    elementType: tensor ? integerOf(source, tensor, 'elemType') : 0,
    shape: shape && messagesOf(shape, 'dim').map((dimension) => extentOf(source, dimension)),
  };
}

/** Some exporters write -1 for a free extent. */
function extentOf(source: WireSource, dimension: WireMessage): number | null {
  if (fieldsOf(dimension, 'dimValue').length === 0) return null;
  const extent = integerOf(source, dimension, 'dimValue');
  return Number.isSafeInteger(extent) && extent >= 0 ? extent : null;
}

/**
 * The nodes in an order in which each comes after those that compute its operands: the file's order, as far as
 * that is one, as ONNX wants it.
 *
 * @param known names of inputs and initialisers
 * @throws InputError `checkpoint/invalid-graph` where a name is computed twice or nowhere, or in a circle
 */
export function sortNodes(nodes: readonly OnnxNode[], known: ReadonlySet<string>, path: string): OnnxNode[] {
  const producers = producersOf(nodes, known, path);
  const waiting = nodes.map(() => 0);
  const users = nodes.map((): number[] => []);
  for (const [index, node] of nodes.entries()) {
    for (const operand of new Set(node.inputs)) {
      if (operand === '' || known.has(operand)) continue;
      const producer = producers.get(operand);
      if (producer === undefined) {
        throw invalidGraph(path, `${nodeLabel(node)} reads ${quoted(operand)}, which nothing computes.`);
      }
      users[producer]!.push(index);
      waiting[index]!++;
    }
  }
  const order: number[] = [];
  // A node that was waiting comes right after the last of those it waited for.
  const visit = (first: number) => {
    const ready = [first];
    for (let index = ready.pop(); index !== undefined; index = ready.pop()) {
      order.push(index);
      for (const user of users[index]!.toReversed()) {
        waiting[user]!--;
        if (waiting[user] === 0 && user < passed) ready.push(user);
      }
    }
  };
  let passed = 0;
  for (; passed < nodes.length; passed++) {
    if (waiting[passed] === 0) visit(passed);
  }
  if (order.length < nodes.length) throw circle(nodes, producers, new Set(order), path);
  return order.map((index) => nodes[index]!);
}

/** Index of the node that computes each name. */
function producersOf(
  nodes: readonly OnnxNode[],
  known: ReadonlySet<string>,
  path: string,
): Map<string, number> {
  const producers = new Map<string, number>();
  for (const [index, node] of nodes.entries()) {
    for (const output of node.outputs) {
      if (output === '') continue;
      if (known.has(output) || producers.has(output)) {
        throw invalidGraph(
          path,
          `${nodeLabel(node)} computes ${quoted(output)}, which is already another tensor's name.`,
        );
      }
      producers.set(output, index);
    }
  }
  return producers;
}

/** Names a node of a circle: one that operands which are never computed lead back to. */
function circle(
  nodes: readonly OnnxNode[],
  producers: ReadonlyMap<string, number>,
  done: ReadonlySet<number>,
  path: string,
): InputError {
  const seen = new Set<number>();
  let index = nodes.findIndex((_, i) => !done.has(i));
  for (;;) {
    const { inputs } = nodes[index]!;
    const operand = inputs.find((name) => {
      const producer = producers.get(name);
      return producer !== undefined && !done.has(producer);
    })!;
    if (seen.has(index)) {
      return invalidGraph(
        path,
        `${nodeLabel(nodes[index]!)} reads ${quoted(operand)}, which is computed from its own result.`,
      );
    }
    seen.add(index);
    index = producers.get(operand)!;
  }
}
