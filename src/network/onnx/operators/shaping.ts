import { elementCount } from '../../../checkpoint/checkpoint.js';
import { reshape, tile, transpose } from '../../../tfjs-core.js';
import {
  checkShape,
  inLayout,
  inOnnxOrder,
  integer,
  integers,
  integersOf,
  knownOperand,
  malformed,
  type Operator,
  type OperatorCall,
  type OperatorTable,
  operand,
  resolveAxis,
  unsupported,
} from '../operator.js';
import { SIMPLIFY } from '../remedies.js';
import {
  type HostValue,
  hostValue,
  repeated,
  tensorValue,
  toChannelsFirst,
  toChannelsLast,
  type Value,
} from '../values.js';

/** The value with other extents, its numbers in the same order. */
function reshaped(call: OperatorCall, value: Value, shape: readonly number[]): Value {
  if (elementCount(shape) !== elementCount(value.shape)) {
    throw malformed(call, `[${value.shape}] cannot take the shape [${shape}]`);
  }
  return value.kind === 'host'
    ? { ...value, shape }
    : tensorValue(reshape(inOnnxOrder(call, value), [...shape]));
}

/** A shape that stands in the file as numbers, for the batch size at hand. */
function forBatch(call: OperatorCall, target: readonly number[], source: HostValue | null): number[] {
  const { batchScale } = call;
  const [leading, ...rest] = target;
  const fromFile = source === null || source.constant;
  return batchScale !== null && fromFile && leading > 0 && leading % batchScale.declared === 0
    ? [(leading / batchScale.declared) * batchScale.actual, ...rest]
    : [...target];
}

const reshapeTo: Operator = (call) => {
  const value = operand(call, 0);
  const source = call.opset < 5 ? null : knownOperand(call, 1, 'shapes');
  const stated = source === null ? integers(call, 'shape') : Array.from(source.values, Number);
  if (stated === null) {
    throw malformed(call, 'the shape is missing');
  }
  const target = call.batched ? forBatch(call, stated, source) : stated;
  const allowZero = integer(call, 'allowzero', 0) !== 0;
  const shape = target.map((extent, axis) => (extent === 0 && !allowZero ? value.shape[axis] : extent));
  const inferred = shape.indexOf(-1);
  if (inferred >= 0) {
    shape[inferred] = elementCount(value.shape) / -elementCount(shape);
  }
  if (shape.some((extent) => !Number.isInteger(extent) || extent < 0)) {
    throw malformed(call, `[${value.shape}] cannot take the shape [${target}]`);
  }
  return [reshaped(call, value, shape)];
};

const flatten: Operator = (call) => {
  const value = operand(call, 0);
  const rank = value.shape.length;
  const axis = integer(call, 'axis', 1);
  const split = axis === rank ? rank : resolveAxis(call, axis, rank);
  return [
    reshaped(call, value, [
      elementCount(value.shape.slice(0, split)),
      elementCount(value.shape.slice(split)),
    ]),
  ];
};

const squeeze: Operator = (call) => {
  const value = operand(call, 0);
  const given = integersOf(call, 1, 'axes', 13);
  const axes = given?.map((axis) => resolveAxis(call, axis, value.shape.length));
  if (axes === undefined && call.batched) {
    // Which axes go would depend on the batch size.
    throw unsupported(call, 'no axes', SIMPLIFY);
  }
  const goes = (extent: number, axis: number): boolean => axes?.includes(axis) ?? extent === 1;
  if (value.shape.some((extent, axis) => goes(extent, axis) && extent !== 1)) {
    throw malformed(call, `an axis of [${value.shape}] to be squeezed is longer than 1`);
  }
  return [
    reshaped(
      call,
      value,
      value.shape.filter((extent, axis) => !goes(extent, axis)),
    ),
  ];
};

const unsqueeze: Operator = (call) => {
  const value = operand(call, 0);
  const given = integersOf(call, 1, 'axes', 13) ?? [];
  const rank = value.shape.length + given.length;
  const axes = new Set(given.map((axis) => resolveAxis(call, axis, rank)));
  const extents = [...value.shape];
  return [
    reshaped(
      call,
      value,
      Array.from({ length: rank }, (_, axis) => (axes.has(axis) ? 1 : (extents.shift() as number))),
    ),
  ];
};

function samePermutation(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((axis, index) => axis === right[index]);
}

/** Permutes axes; moving the channels of an image costs nothing until its other layout is asked for. */
const transposeAxes: Operator = (call) => {
  const value = operand(call, 0);
  const rank = value.shape.length;
  const perm = [...(integers(call, 'perm') ?? [...value.shape.keys()].reverse())];
  if (
    !samePermutation(
      [...perm].sort((a, b) => a - b),
      [...value.shape.keys()],
    )
  ) {
    throw malformed(call, `[${perm}] is no permutation of ${rank} axes`);
  }
  const shape = perm.map((axis) => value.shape[axis]);
  if (rank >= 3 && samePermutation(perm, toChannelsFirst(rank)) && call.batched) {
    return [{ kind: 'tensor', shape, first: null, last: inOnnxOrder(call, value) }];
  }
  if (rank >= 3 && samePermutation(perm, toChannelsLast(rank)) && call.batched) {
    return [{ kind: 'tensor', shape, first: inLayout(call, value, 'last'), last: null }];
  }
  return [tensorValue(transpose(inOnnxOrder(call, value), perm))];
};
const expand: Operator = (call) => {
  const value = operand(call, 0);
  const source = knownOperand(call, 1, 'shapes') as HostValue;
  const stated = Array.from(source.values, Number);
  const target = call.batched ? forBatch(call, stated, source) : stated;
  const rank = Math.max(target.length, value.shape.length);
  const own = [...Array(rank - value.shape.length).fill(1), ...value.shape] as number[];
  const repeats = own.map((extent, axis) => {
    const wanted = target[axis - (rank - target.length)] ?? 1;
    if (wanted !== 1 && extent !== 1 && wanted !== extent) {
      throw malformed(call, `[${value.shape}] does not broadcast to [${target}]`);
    }
    return extent === 1 ? wanted : 1;
  });
  checkShape(
    call,
    own.map((extent, axis) => extent * repeats[axis]),
  );
  return [tensorValue(repeated(reshape(inOnnxOrder(call, value), own), repeats))];
};

const repeatAxes: Operator = (call) => {
  const repeats = Array.from((knownOperand(call, 1, 'repeats') as HostValue).values, Number);
  const value = operand(call, 0);
  if (repeats.length !== value.shape.length) {
    throw malformed(call, `${repeats.length} repeats do not fit [${value.shape}]`);
  }
  checkShape(
    call,
    value.shape.map((extent, axis) => extent * repeats[axis]),
  );
  return [tensorValue(tile(inOnnxOrder(call, value), repeats))];
};

const shapeOf: Operator = (call) => {
  const { shape } = operand(call, 0);
  const rank = shape.length;
  const start = integer(call, 'start', 0);
  const end = integer(call, 'end', rank);
  const kept = shape.slice(start, end);
  return [hostValue('integer', [kept.length], kept)];
};

const sizeOf: Operator = (call) => [hostValue('integer', [], [elementCount(operand(call, 0).shape)])];

/** Changes of shape and order. */
export const shapingOperators: OperatorTable = {
  Reshape: reshapeTo,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transposeAxes,
  Expand: expand,
  Tile: repeatAxes,
  Shape: shapeOf,
  Size: sizeOf,
};
