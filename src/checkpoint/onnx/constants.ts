/**
 * Weights that stand elsewhere than among the initialisers of the graph: in Constant nodes, as Paddle2ONNX and others
 * write them, also in those of functions and branches, and among the initialisers of branches.
 */
import { ONNX_TYPES } from '../../onnx-schema.js';
import { type FunctionTable, innerBodies } from './bodies.js';
import { invalidGraph, operatorDomain } from './nodes.js';
import { type Initializer, readSparseHead } from './sparse.js';
import { ELEMENT_RULES, type ElementType, readTensorHead } from './tensors.js';
import {
  fieldsOf,
  integerCount,
  integerOf,
  messagesOf,
  textOf,
  textsOf,
  type WireField,
  type WireMessage,
  type WireSource,
} from './wire.js';

const FLOAT_TYPES: ReadonlySet<number> = new Set(
  Object.entries(ELEMENT_RULES)
    .filter(([, { kind }]) => kind === 'float')
    .map(([type]) => ONNX_TYPES[type as ElementType]),
);

/** The tensor of a Constant node and its name there. */
interface ConstantNode {
  name: string;
  field: WireField;
}

/**
 * The floating-point tensor of one axis or more in a Constant node, or null. Single numbers are left to the nodes:
 * they are factors and exponents.
 */
export function constantNode(source: WireSource, node: WireMessage): ConstantNode | null {
  if (
    textOf(source, node, 'opType') !== 'Constant' ||
    operatorDomain(textOf(source, node, 'domain')) !== ''
  ) {
    return null;
  }
  const [name, ...others] = textsOf(source, node, 'output');
  const attributes = messagesOf(node, 'attribute');
  const [attribute] = attributes;
  if (
    !name ||
    others.length > 0 ||
    attributes.length !== 1 ||
    textOf(source, attribute!, 'name') !== 'value'
  ) {
    return null;
  }
  const [field] = fieldsOf(attribute!, 't');
  const message = field?.message;
  const isWeight =
    message &&
    FLOAT_TYPES.has(integerOf(source, message, 'dataType')) &&
    integerCount(source, message, 'dims') > 0;
  return isWeight ? { name, field: field! } : null;
}

function initializerOf(source: WireSource, { name, field }: ConstantNode, owner: WireMessage): Initializer {
  const head = { ...readTensorHead(source, field.message!, name), name };
  return { name, field, head, sparse: null, owner };
}

/** A name that is not taken: the name itself, or behind a prefix, or with a number. */
export function freshName(name: string, prefix: string, taken: Set<string>): string {
  let fresh = name;
  for (let i = 1; taken.has(fresh); i++) {
    fresh = i === 1 ? `${prefix}/${name}` : `${prefix}/${name}/${i}`;
  }
  taken.add(fresh);
  return fresh;
}

/** The initialisers of a branch and the tensors in Constant nodes of a body. */
function initializersIn(source: WireSource, body: WireMessage): Initializer[] {
  const own = body.fields.flatMap((field): Initializer[] => {
    if (field.name !== 'initializer' && field.name !== 'sparseInitializer') return [];
    const sparse = field.name === 'sparseInitializer' ? readSparseHead(source, field.message!) : null;
    const head = sparse?.values ?? readTensorHead(source, field.message!);
    if (head.name === '') throw invalidGraph(source.path, 'an initialiser of a branch has no name.');
    return [{ name: head.name, field, head, sparse, owner: body }];
  });
  const constants = messagesOf(body, 'node').flatMap((node) => {
    const found = constantNode(source, node);
    return found === null ? [] : [initializerOf(source, found, node)];
  });
  return [...own, ...constants];
}

/**
 * The weights that stand elsewhere than among the initialisers of the graph, those of its own Constant nodes first,
 * named as the nodes' outputs; names of functions and branches that are taken get the body's name before them.
 *
 * @param taken names of initialisers and inputs; a node of the graph that computes one of them contradicts the graph,
 *   and stays
 * @throws InputError for a tensor that cannot be read
 */
export function readConstants(
  source: WireSource,
  graph: WireMessage,
  functions: FunctionTable,
  taken: ReadonlySet<string>,
): Initializer[] {
  const found = new Map<string, Initializer>();
  for (const node of messagesOf(graph, 'node')) {
    const constant = constantNode(source, node);
    if (constant === null || taken.has(constant.name) || found.has(constant.name)) continue;
    found.set(constant.name, initializerOf(source, constant, node));
  }
  const names = new Set([
    ...taken,
    ...messagesOf(graph, 'node').flatMap((node) => textsOf(source, node, 'output')),
  ]);
  const inner = innerBodies(source, graph, functions).flatMap(({ message, prefix }) =>
    initializersIn(source, message).map((initializer): Initializer => {
      const name = freshName(initializer.name, prefix, names);
      return {
        ...initializer,
        name,
        head: initializer.sparse ? initializer.head : { ...initializer.head, name },
      };
    }),
  );
  return [...found.values(), ...inner];
}
