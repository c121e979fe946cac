/** Weights that stand in Constant nodes rather than among the initialisers, as Paddle2ONNX and others write them. */
import { ONNX_TYPES } from '../../onnx-schema.js';
import { operatorDomain } from './nodes.js';
import type { Initializer } from './sparse.js';
import { ELEMENT_RULES, type ElementType, readTensorHead } from './tensors.js';
import {
  fieldsOf,
  integerCount,
  integerOf,
  messagesOf,
  textOf,
  textsOf,
  type WireMessage,
  type WireSource,
} from './wire.js';

const FLOAT_TYPES: ReadonlySet<number> = new Set(
  Object.entries(ELEMENT_RULES)
    .filter(([, { kind }]) => kind === 'float')
    .map(([type]) => ONNX_TYPES[type as ElementType]),
);

/**
 * Floating-point tensors of one axis or more in Constant nodes, named as the nodes' outputs, in file order. Single
 * numbers are left to the nodes: they are factors and exponents.
 *
 * @param taken names of initialisers and inputs; a node that computes one of them contradicts the graph, and stays
 * @throws InputError for a tensor that cannot be read
 */
export function readConstants(
  source: WireSource,
  graph: WireMessage,
  taken: ReadonlySet<string>,
): Initializer[] {
  const found = new Map<string, Initializer>();
  for (const node of messagesOf(graph, 'node')) {
    const [name, ...others] = textsOf(source, node, 'output');
    const attributes = messagesOf(node, 'attribute');
    if (
      textOf(source, node, 'opType') !== 'Constant' ||
      operatorDomain(textOf(source, node, 'domain')) !== '' ||
      name === undefined ||
      name === '' ||
      others.length > 0 ||
      taken.has(name) ||
      found.has(name) ||
      attributes.length !== 1 ||
      textOf(source, attributes[0]!, 'name') !== 'value'
    ) {
      continue;
    }
    const [field] = fieldsOf(attributes[0]!, 't');
    const message = field?.message;
    if (
      message &&
      FLOAT_TYPES.has(integerOf(source, message, 'dataType')) &&
      integerCount(source, message, 'dims') > 0
    ) {
      const head = { ...readTensorHead(source, message, name), name };
      found.set(name, { name, field: field!, head, sparse: null, node });
    }
  }
  return [...found.values()];
}
