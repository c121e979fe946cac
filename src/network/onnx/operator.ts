import { elementCount } from '../../checkpoint/checkpoint.js';
import type { OnnxNode, OnnxTensor } from '../../checkpoint/onnx-graph.js';
import { printable, quoted } from '../../checkpoint/printable.js';
import { InputError } from '../../errors.js';
import type { Tensor } from '../../tfjs-core.js';
import { remedy, SIMPLIFY } from './remedies.js';
import { type ConstantTensors, type HostValue, type Layout, tensorIn, type Value } from './values.js';

/** One call of an operator. */
export interface OperatorCall {
  readonly node: OnnxNode;
  /** Version of the operator set the node is written in. */
  readonly opset: number;
  /** Null for an optional operand left out. */
  readonly inputs: readonly (Value | null)[];
  readonly constants: ConstantTensors;
  /**
   * For a graph that was written for batches of a fixed size but runs on
   * others: by how much leading extents that stand in the file as numbers must
   * be multiplied. Null where the file's numbers hold.
   */
  readonly batchScale: { readonly declared: number; readonly actual: number } | null;
  /** Whether the first operand depends on the graph's input. */
  readonly batched: boolean;
}

/** Computes the outputs of a node. */
export type Operator = (call: OperatorCall) => Value[];

/** Operators by name. */
export type OperatorTable = Readonly<Record<string, Operator>>;

/** Longest part of a node's name that messages show, its end: names of modules stand in front. */
const MAX_NAME = 100;

/** The text that names a node in messages. */
export function nodeText(node: OnnxNode, opset: number): string {
  const domain = node.domain === '' ? '' : `${printable(node.domain)}.`;
  const { name } = node;
  const shown = name.length > MAX_NAME ? `...${name.slice(-MAX_NAME)}` : name;
  return `operator ${domain}${printable(node.opType)} (opset ${opset}, node ${quoted(shown)})`;
}

/**
 * An error about what prune-limit cannot compute.
 *
 * @param what of the node is not supported; empty for the operator as a whole
 * @param help what to do
 */
export function unsupported(
  { node, opset }: Pick<OperatorCall, 'node' | 'opset'>,
  what = '',
  help = what === '' ? remedy(node) : 'export the model without it',
): InputError {
  return new InputError(
    'network/onnx-operator',
    `${nodeText(node, opset)}${what === '' ? '' : ` with ${what}`} is not supported; ${help}`,
  );
}

/** An error about a node that contradicts itself or its operands. */
export function malformed({ node, opset }: Pick<OperatorCall, 'node' | 'opset'>, what: string): InputError {
  return new InputError('network/onnx-node', `${nodeText(node, opset)}: ${what}`);
}

interface AttributeValues {
  float: number;
  int: number;
  floats: readonly number[];
  ints: readonly number[];
  string: string;
  tensor: OnnxTensor;
}

/** The value of an attribute, or null where the node has none of that name. */
function attribute<K extends keyof AttributeValues>(
  call: OperatorCall,
  name: string,
  kind: K,
): AttributeValues[K] | null {
  const found = call.node.attributes.get(name);
  if (found === undefined) {
    return null;
  }
  const value = found.kind === 'unsupported' ? null : found.value;
  // A list without entries says nothing of its kind in some files.
  const emptyList = Array.isArray(value) && value.length === 0 && (kind === 'ints' || kind === 'floats');
  if (found.kind !== kind && !emptyList) {
    throw malformed(call, `attribute ${name} is of kind ${found.kind} where ${kind} is due`);
  }
  return value as AttributeValues[K];
}

/** An integer attribute, or its default. */
export function integer<D extends number | null>(call: OperatorCall, name: string, fallback: D): number | D {
  return attribute(call, name, 'int') ?? fallback;
}

/** A floating-point attribute, or its default. */
export function real(call: OperatorCall, name: string, fallback: number): number {
  return attribute(call, name, 'float') ?? fallback;
}

/** A list of integers, or null where the node has none. */
export function integers(call: OperatorCall, name: string): readonly number[] | null {
  return attribute(call, name, 'ints');
}

/** A list of numbers, or null where the node has none. */
export function reals(call: OperatorCall, name: string): readonly number[] | null {
  return attribute(call, name, 'floats');
}

/** A string attribute, or its default. */
export function text(call: OperatorCall, name: string, fallback: string): string {
  return attribute(call, name, 'string') ?? fallback;
}

/** A tensor attribute, or null. */
export function tensorAttribute(call: OperatorCall, name: string): OnnxTensor | null {
  return attribute(call, name, 'tensor');
}

/** An operand that must be there. */
export function operand(call: OperatorCall, index: number): Value {
  const value = call.inputs[index];
  if (value === null || value === undefined) {
    throw malformed(call, `operand ${index} is missing`);
  }
  return value;
}

/** An operand whose numbers must be known without running the network, or null where it is left out. */
export function knownOperand(call: OperatorCall, index: number, role: string): HostValue | null {
  const value = call.inputs[index] ?? null;
  if (value !== null && value.kind !== 'host') {
    throw unsupported(call, `${role} that depend on the input`, SIMPLIFY);
  }
  return value;
}

/** The operand's integers, or those of an attribute in operator sets where they stood there, or null. */
export function integersOf(
  call: OperatorCall,
  index: number,
  name: string,
  inputSince: number,
): number[] | null {
  if (call.opset < inputSince) {
    const list = integers(call, name);
    return list === null ? null : [...list];
  }
  const value = knownOperand(call, index, name);
  return value === null ? null : Array.from(value.values, Number);
}

/** The tensor of a value in the ONNX order. */
export function inOnnxOrder(call: OperatorCall, value: Value): Tensor {
  return tensorIn(value, 'first', call.constants);
}

/** The tensor of a value in a layout. */
export function inLayout(call: OperatorCall, value: Value, layout: Layout, rank?: number): Tensor {
  return tensorIn(value, layout, call.constants, rank);
}

/** An axis that may count from the end, checked. */
export function resolveAxis(call: OperatorCall, axis: number, rank: number): number {
  const resolved = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= rank) {
    throw malformed(call, `axis ${axis} is outside of a tensor of rank ${rank}`);
  }
  return resolved;
}

/** Most values a tensor may have, 1 GiB: a crafted file could ask for any number. */
export const MAX_VALUES = 2 ** 28;

/**
 * Refuses shapes that are none, or so large that no model means them.
 *
 * @throws InputError
 */
export function checkShape(call: OperatorCall, shape: readonly number[]): void {
  const whole = shape.every((extent) => Number.isInteger(extent) && extent >= 0);
  if (!whole || elementCount(shape) > MAX_VALUES) {
    throw malformed(call, `gives a tensor of shape [${shape.slice(0, 12)}], which is too large or none`);
  }
}

/** The layout an operator that keeps axes apart computes in: channels last where an operand is there already. */
export function preferredLayout(values: readonly Value[]): Layout {
  const rank = Math.max(...values.map(({ shape }) => shape.length));
  const isLast = (value: Value): boolean =>
    value.kind === 'tensor' && value.shape.length === rank && value.last !== null;
  return rank >= 3 && values.some(isLast) ? 'last' : 'first';
}
