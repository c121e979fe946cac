/**
 * Graphs that take batches of one size alone, run on several batches at once.
 *
 * Of a value that depends on the input there are as many as there are batches; they lie one after the other along its
 * first axis. Shapes that the graph computes or states are those of one batch, whatever the number of batches, so that
 * nothing in the file needs to be guessed at. An operator that leaves the first axis alone runs as it is; for others
 * the batches get an axis of their own for as long as it takes.
 */

import type { OnnxAttribute } from '../../checkpoint/onnx-graph.js';
import { reshape, type Tensor } from '../../tfjs-core.js';
import { parseEinsum } from './einsum-equation.js';
import {
  inOnnxOrder,
  integer,
  integersOf,
  type Operator,
  type OperatorCall,
  operand,
  resolveAxis,
  text,
  unsupported,
} from './operator.js';
import { type HostValue, hostValue, repeated, type TensorValue, tensorValue, type Value } from './values.js';

/** A call whose operands may be of several batches. */
interface GroupCall extends OperatorCall {
  /** How many batches. */
  readonly groups: number;
  /** Which operands are there once a batch. */
  readonly grouped: readonly boolean[];
}

type GroupRule = (call: GroupCall, operator: Operator) => Value[];

/** The shape of a value for one batch. */
function shapeOfOne({ groups, grouped }: GroupCall, value: Value, index: number): number[] {
  const [first, ...rest] = value.shape;
  return grouped[index] ? [(first as number) / groups, ...rest] : [...value.shape];
}

/** A value with an axis for the batches before its own, of some rank without it. */
function apart(call: GroupCall, index: number, rank = 0): TensorValue {
  const value = operand(call, index);
  const shape = shapeOfOne(call, value, index);
  const padding: number[] = Array(Math.max(0, rank - shape.length)).fill(1);
  return tensorValue(reshape(inOnnxOrder(call, value), [call.groups, ...padding, ...shape]));
}

/** Batches one after the other along the first axis, of values with an axis for them. */
function together(call: GroupCall, value: Value): TensorValue {
  return joined(call, inOnnxOrder(call, value), value.shape.slice(1));
}

function joined(call: GroupCall, x: Tensor, shape: readonly number[]): TensorValue {
  const [first, ...rest] = shape;
  if (first === undefined) {
    throw unsupported(call, 'one number a batch');
  }
  return tensorValue(reshape(x, [call.groups * first, ...rest]));
}

/** A value that is the same for every batch, once for each. */
function spread(call: GroupCall, index: number): TensorValue {
  const x = inOnnxOrder(call, operand(call, index));
  const repeats = [call.groups, ...x.shape.map(() => 1)];
  return joined(call, repeated(reshape(x, [1, ...x.shape]), repeats), x.shape);
}

function withOperands(call: GroupCall, inputs: readonly (Value | null)[]): OperatorCall {
  return { ...call, inputs };
}

function withAttributes(call: GroupCall, changed: Readonly<Record<string, OnnxAttribute>>): GroupCall {
  const attributes = new Map([...call.node.attributes, ...Object.entries(changed)]);
  return { ...call, node: { ...call.node, attributes } };
}

/** The call for batches on an axis of their own, and what comes out joined again. */
function onOwnAxis(call: GroupCall, operator: Operator, rank = 0): Value[] {
  const inputs = call.inputs.map((value, index) =>
    value !== null && call.grouped[index] ? apart(call, index, rank) : value,
  );
  return operator(withOperands(call, inputs)).map((value) => together(call, value));
}

/** Leaves the first axis alone. */
const asIs: GroupRule = (call, operator) => operator(call);

/** Broadcasts its operands: as they are where their first axes are those of batches, or of extent 1. */
const broadcast: GroupRule = (call, operator) => {
  const values = call.inputs.map((_, index) => operand(call, index));
  const shapes = values.map((value, index) => shapeOfOne(call, value, index));
  const rank = Math.max(...shapes.map((shape) => shape.length));
  const leading = new Set(shapes.filter((_, index) => call.grouped[index]).map((shape) => shape[0]));
  const fits = shapes.every((shape, index) =>
    call.grouped[index] ? shape.length === rank : shape.length < rank || shape[0] === 1,
  );
  return fits && leading.size === 1 ? operator(call) : onOwnAxis(call, operator, rank);
};

const product: GroupRule = (call, operator) => {
  const shapes = [0, 1].map((index) => shapeOfOne(call, operand(call, index), index));
  const [left, right] = shapes;
  if (shapes.some((shape) => shape.length < 2)) {
    throw unsupported(call, 'a vector for each batch');
  }
  if (!call.grouped[1] && right.length === 2) {
    return operator(call);
  }
  const isBatch = left.length === right.length && left.length > 2 && left[0] === right[0];
  return isBatch && call.grouped[0] && call.grouped[1]
    ? operator(call)
    : onOwnAxis(call, operator, Math.max(left.length, right.length));
};

/** A matrix of rows for each batch, times one that is the same for all. */
const affine: GroupRule = (call, operator) => {
  const bias = call.inputs[2] ?? null;
  const biasFits = bias === null || (!call.grouped[2] && (bias.shape.length < 2 || bias.shape[0] === 1));
  if (call.grouped[1] || integer(call, 'transA', 0) !== 0 || !biasFits) {
    throw unsupported(call, 'other operands for every batch');
  }
  return operator(call);
};

/** Goes along an axis, counted from the beginning or the end; `fallback` is its default. */
const alongAxis =
  (fallback: number): GroupRule =>
  (call, operator) => {
    const rank = operand(call, 0).shape.length;
    const axis = resolveAxis(call, integer(call, 'axis', fallback), rank);
    return axis === 0
      ? onOwnAxis(withAttributes(call, { axis: { kind: 'int', value: 1 } }), operator)
      : operator(call);
  };

/** Before operator set 13 a softmax is over all axes from its own on. */
const softmax: GroupRule = (call, operator) => {
  if (call.opset < 13) {
    const axis = resolveAxis(call, integer(call, 'axis', 1), operand(call, 0).shape.length);
    if (axis === 0) {
      throw unsupported(call, 'the axis of the batch');
    }
    return operator(call);
  }
  return alongAxis(-1)(call, operator);
};

const concatenation: GroupRule = (call, operator) => {
  const inputs = call.inputs.map((_, index) =>
    call.grouped[index] ? operand(call, index) : spread(call, index),
  );
  const all = { ...call, inputs, grouped: inputs.map(() => true) };
  return alongAxis(1)(all, operator);
};

const permutation: GroupRule = (call, operator) => {
  const rank = operand(call, 0).shape.length;
  const given = call.node.attributes.get('perm');
  const perm = given?.kind === 'ints' ? given.value : [...Array(rank).keys()].reverse();
  if (perm[0] === 0) {
    return operator(call);
  }
  const value = [0, ...perm.map((axis) => axis + 1)];
  return onOwnAxis(withAttributes(call, { perm: { kind: 'ints', value } }), operator);
};

/** Changes the shape, but not the order of the numbers. */
const reordering: GroupRule = (call, operator) => {
  const value = operand(call, 0);
  // The shape alone is asked for: of one batch, which is the same for all.
  const one: HostValue = { ...hostValue('float', [], []), shape: shapeOfOne(call, value, 0) };
  const alone = { ...call, inputs: [one, ...call.inputs.slice(1)], batched: false };
  return operator(alone).map(({ shape }) => joined(call, inOnnxOrder(call, value), shape));
};

/** Operands or attributes with the axes moved by one, for an operator whose axes are a list. */
function withMovedAxes(call: GroupCall, axes: readonly number[], since: number, index: number): GroupCall {
  const moved = axes.map((axis) => axis + 1);
  if (call.opset < since) {
    return withAttributes(call, { axes: { kind: 'ints', value: moved } });
  }
  const inputs = Array.from({ length: Math.max(call.inputs.length, index + 1) }, (_, at) =>
    at === index ? hostValue('integer', [moved.length], moved) : (call.inputs[at] ?? null),
  );
  return { ...call, inputs, grouped: inputs.map((_, at) => call.grouped[at] ?? false) };
}

const reduction =
  (since: number): GroupRule =>
  (call, operator) => {
    const rank = operand(call, 0).shape.length;
    const given = integersOf(call, 1, 'axes', since) ?? [];
    if (given.length === 0 && integer(call, 'noop_with_empty_axes', 0) !== 0) {
      return operator(call);
    }
    const axes = (given.length === 0 ? [...Array(rank).keys()] : given).map((axis) =>
      resolveAxis(call, axis, rank),
    );
    return axes.includes(0) ? onOwnAxis(withMovedAxes(call, axes, since, 1), operator) : operator(call);
  };

const slicing: GroupRule = (call, operator) => {
  const rank = operand(call, 0).shape.length;
  const starts = integersOf(call, 1, 'starts', 10) ?? [];
  const axes = (integersOf(call, 3, 'axes', 10) ?? starts.map((_, index) => index)).map((axis) =>
    resolveAxis(call, axis, rank),
  );
  return axes.includes(0) ? onOwnAxis(withMovedAxes(call, axes, 10, 3), operator) : operator(call);
};

const expansion: GroupRule = (call, operator) => {
  const target = integersOf(call, 1, 'shape', 0) ?? [];
  const rank = Math.max(target.length, operand(call, 0).shape.length);
  const whole = [call.groups, ...Array(rank - target.length).fill(1), ...target] as number[];
  const inputs = [apart(call, 0, rank), hostValue('integer', [whole.length], whole)];
  return operator({ ...call, inputs, batched: false }).map((value) => together(call, value));
};

const repetition: GroupRule = (call, operator) => {
  if (integersOf(call, 1, 'repeats', 0)?.[0] !== 1) {
    throw unsupported(call, 'the axis of the batch');
  }
  return operator(call);
};

const padding: GroupRule = (call, operator) => {
  const rank = operand(call, 0).shape.length;
  const pads = integersOf(call, 1, 'pads', 11) ?? [];
  const axes = (call.opset < 18 ? null : integersOf(call, 3, 'axes', 18)) ?? [...Array(rank).keys()];
  const atFirst = pads.filter((_, index) => resolveAxis(call, axes[index % axes.length], rank) === 0);
  if (atFirst.some((extent) => extent !== 0)) {
    throw unsupported(call, 'the axis of the batch');
  }
  return operator(call);
};

/** Named axes: the batch must be the first of the result and of every operand that has batches, and of no other. */
const namedAxes: GroupRule = (call, operator) => {
  const einsum = parseEinsum(text(call, 'equation', ''));
  const letter = einsum?.result[0];
  const fits = einsum?.operands.every((letters, index) =>
    call.grouped[index] ? letters[0] === letter : !letters.includes(letter as string),
  );
  if (letter === undefined || fits !== true) {
    throw unsupported(call, 'the axis of the batch');
  }
  return operator(call);
};

const shape: GroupRule = (call, operator) => {
  const one = shapeOfOne(call, operand(call, 0), 0);
  return operator({ ...call, inputs: [{ ...hostValue('float', [], []), shape: one }] });
};

function each(names: string, rule: GroupRule): Record<string, GroupRule> {
  return Object.fromEntries(names.split(' ').map((name) => [name, rule]));
}

const rules: Readonly<Record<string, GroupRule>> = {
  ...each('Conv ConvTranspose BatchNormalization InstanceNormalization GroupNormalization LRN', asIs),
  ...each(
    'MaxPool AveragePool GlobalAveragePool GlobalMaxPool DepthToSpace SpaceToDepth Resize Upsample',
    asIs,
  ),
  ...each('Sqrt Exp Log Erf Neg Abs Reciprocal Sin Cos Relu LeakyRelu Elu Celu Selu Gelu Sigmoid Not', asIs),
  ...each('HardSigmoid HardSwish Tanh Softplus Softsign Mish Clip Cast CastLike Identity Dropout', asIs),
  ...each('Add Sub Mul Div Pow Sum Max Min Mean PRelu Where And Or', broadcast),
  ...each('Equal Greater GreaterOrEqual Less LessOrEqual', broadcast),
  ...each('Reshape Flatten Squeeze Unsqueeze', reordering),
  ...each('ReduceMean ReduceMax ReduceMin ReduceL1 ReduceL2 ReduceSumSquare', reduction(18)),
  ...each('Softmax LogSoftmax', softmax),
  ...each('Shape Size', shape),
  ReduceSum: reduction(13),
  LayerNormalization: alongAxis(-1),
  Split: alongAxis(0),
  Gather: alongAxis(0),
  Concat: concatenation,
  Transpose: permutation,
  MatMul: product,
  Gemm: affine,
  Slice: slicing,
  Expand: expansion,
  Einsum: namedAxes,
  Tile: repetition,
  Pad: padding,
};

/**
 * Runs an operator on several batches at once.
 *
 * @param grouped which operands depend on the network's input
 * @throws InputError `network/onnx-operator` where it is not known how
 */
export function onGroups(
  operator: Operator,
  call: OperatorCall,
  grouped: readonly boolean[],
  groups: number,
): Value[] {
  if (groups === 1) {
    // Which axes a Squeeze without any takes away is known: the batch is of the size that the file says.
    return operator({ ...call, batched: false });
  }
  const own = call.inputs.map((value, index) => value?.kind === 'tensor' && grouped[index]);
  if (!own.includes(true)) {
    return operator(call);
  }
  const rule = Object.hasOwn(rules, call.node.opType) ? rules[call.node.opType] : undefined;
  if (rule === undefined) {
    throw unsupported(call, 'several batches');
  }
  return rule({ ...call, groups, grouped: own }, operator);
}
