import { elementCount } from '../../../checkpoint/checkpoint.js';
import { quoted } from '../../../checkpoint/printable.js';
import { concat, pad, reshape, reverse, slice, type Tensor } from '../../../tfjs-core.js';
import {
  checkShape,
  inLayout,
  inOnnxOrder,
  integer,
  integersOf,
  knownOperand,
  malformed,
  type Operator,
  type OperatorCall,
  type OperatorTable,
  operand,
  preferredLayout,
  real,
  resolveAxis,
  text,
  unsupported,
} from '../operator.js';
import { axisIn, type HostValue, permuted, repeated, tensorValue, valueIn } from '../values.js';

/** A tensor of an operand of a concatenation, repeated over the batch where the file's batch of 1 is freed. */
const concatenate: Operator = (call) => {
  const values = call.inputs.map((_, index) => operand(call, index));
  const layout = preferredLayout(values);
  const rank = values[0].shape.length;
  const axis = resolveAxis(call, integer(call, 'axis', 1), rank);
  const batch = Math.max(...values.map(({ shape }) => shape[0]));
  const parts = values.map((value) => {
    const x = inLayout(call, value, layout);
    const freed = call.batchScale?.declared === 1 && axis !== 0 && value.kind === 'host' && x.shape[0] === 1;
    return freed ? repeated(x, [batch, ...Array(rank - 1).fill(1)]) : x;
  });
  return [valueIn(layout, concat(parts, axisIn(layout, axis, rank)))];
};

/** The part of a tensor along one axis. */
export function part(x: Tensor, axis: number, start: number, extent: number): Tensor {
  return slice(
    x,
    x.shape.map((_, index) => (index === axis ? start : 0)),
    x.shape.map((whole, index) => (index === axis ? extent : whole)),
  );
}

const split: Operator = (call) => {
  const value = operand(call, 0);
  const rank = value.shape.length;
  const axis = resolveAxis(call, integer(call, 'axis', 0), rank);
  const parts = call.node.outputs.length;
  const extent = value.shape[axis];
  const each = Math.ceil(extent / parts);
  const sizes =
    integersOf(call, 1, 'split', 13) ??
    Array.from({ length: parts }, (_, index) => Math.min(each, extent - index * each));
  if (sizes.length !== parts || sizes.reduce((sum, size) => sum + size, 0) !== extent) {
    throw malformed(call, `an extent of ${extent} cannot be split into [${sizes}]`);
  }
  const layout = preferredLayout([value]);
  const x = inLayout(call, value, layout);
  let start = 0;
  return sizes.map((size) => {
    const piece = part(x, axisIn(layout, axis, rank), start, size);
    start += size;
    return valueIn(layout, piece);
  });
};

/** A range of positions along an axis, as numpy cuts it. */
export interface AxisRange {
  start: number;
  step: number;
  count: number;
}

/** What a slice takes of each axis. */
export function sliceRanges(call: OperatorCall, shape: readonly number[]): AxisRange[] {
  const starts = integersOf(call, 1, 'starts', 10);
  const ends = integersOf(call, 2, 'ends', 10);
  if (starts === null || ends === null || starts.length !== ends.length) {
    throw malformed(call, 'starts and ends do not fit');
  }
  const axes = integersOf(call, 3, 'axes', 10) ?? starts.map((_, index) => index);
  const steps = (call.opset < 10 ? null : integersOf(call, 4, 'steps', 10)) ?? starts.map(() => 1);
  const ranges = shape.map((count): AxisRange => ({ start: 0, step: 1, count }));
  axes.forEach((given, index) => {
    const axis = resolveAxis(call, given, shape.length);
    const extent = shape[axis];
    const step = steps[index];
    if (step === 0) {
      throw malformed(call, 'a step of 0');
    }
    const bounded = (position: number, low: number, high: number): number =>
      Math.max(low, Math.min(high, position < 0 ? position + extent : position));
    const start = step > 0 ? bounded(starts[index], 0, extent) : bounded(starts[index], 0, extent - 1);
    const end = step > 0 ? bounded(ends[index], 0, extent) : bounded(ends[index], -1, extent - 1);
    ranges[axis] = { start, step, count: Math.max(0, Math.ceil((end - start) / step)) };
  });
  return ranges;
}

/** Every step-th position along an axis, by a reshape: only then are its derivatives slices and paddings. */
export function strided(x: Tensor, axis: number, step: number, count: number): Tensor {
  if (step === 1) {
    return x;
  }
  const missing = count * step - x.shape[axis];
  const padded =
    missing > 0
      ? pad(
          x,
          x.shape.map((_, index): [number, number] => [0, index === axis ? missing : 0]),
        )
      : x;
  const outer = elementCount(x.shape.slice(0, axis));
  const inner = elementCount(x.shape.slice(axis + 1));
  const rows = reshape(part(padded, axis, 0, count * step), [outer * count, step, inner]);
  return reshape(part(rows, 1, 0, 1), [...x.shape.slice(0, axis), count, ...x.shape.slice(axis + 1)]);
}

const sliceAxes: Operator = (call) => {
  const value = operand(call, 0);
  const layout = preferredLayout([value]);
  const ranges = permuted(layout, sliceRanges(call, value.shape));
  if (ranges.some(({ count }) => count === 0)) {
    throw unsupported(call, 'an empty result');
  }
  const x = inLayout(call, value, layout);
  const low = ranges.map(({ start, step, count }) => (step > 0 ? start : start + (count - 1) * step));
  const cut = slice(
    x,
    low,
    ranges.map(({ step, count }) => (count - 1) * Math.abs(step) + 1),
  );
  const backwards = ranges.flatMap(({ step }, axis) => (step < 0 ? [axis] : []));
  // Taken from the low end every step-th position is the same set, in the order that is then reversed.
  const thinned = ranges.reduce(
    (at, { step, count }, axis) => strided(at, axis, Math.abs(step), count),
    cut as Tensor,
  );
  return [valueIn(layout, backwards.length === 0 ? thinned : reverse(thinned, backwards))];
};

/** Padding of every axis, from the attributes or operands of any operator set. */
function paddings(call: OperatorCall, rank: number): [number, number][] {
  const given = integersOf(call, 1, 'pads', 11) ?? [];
  const axes =
    (call.opset < 18 ? null : integersOf(call, 3, 'axes', 18))?.map((axis) =>
      resolveAxis(call, axis, rank),
    ) ?? Array.from({ length: rank }, (_, axis) => axis);
  if (given.length !== 2 * axes.length) {
    throw malformed(call, `pads has ${given.length} entries for ${axes.length} axes`);
  }
  const all = Array.from({ length: rank }, (): [number, number] => [0, 0]);
  axes.forEach((axis, index) => {
    all[axis] = [given[index], given[axes.length + index]];
  });
  return all;
}

/** Pads one axis with copies of what lies inside: mirrored, or of the outermost position. */
function padByCopies(x: Tensor, axis: number, [before, after]: [number, number], mode: string): Tensor {
  const extent = x.shape[axis];
  const copies = (count: number, atEnd: boolean): Tensor[] => {
    if (count <= 0) {
      return [];
    }
    if (mode === 'reflect') {
      return [reverse(part(x, axis, atEnd ? extent - 1 - count : 1, count), axis)];
    }
    return Array.from({ length: count }, () => part(x, axis, atEnd ? extent - 1 : 0, 1));
  };
  const pieces = [...copies(before, false), x, ...copies(after, true)];
  return pieces.length === 1 ? x : concat(pieces, axis);
}

const padAxes: Operator = (call) => {
  const value = operand(call, 0);
  const rank = value.shape.length;
  const layout = preferredLayout([value]);
  const pads = permuted(layout, paddings(call, rank));
  const mode = text(call, 'mode', 'constant');
  const x = inLayout(call, value, layout);
  checkShape(
    call,
    x.shape.map((extent, axis) => extent + pads[axis][0] + pads[axis][1]),
  );
  const cropped = pads.some(([before, after]) => before < 0 || after < 0)
    ? slice(
        x,
        pads.map(([before]) => Math.max(0, -before)),
        x.shape.map((extent, axis) => extent + Math.min(0, pads[axis][0]) + Math.min(0, pads[axis][1])),
      )
    : x;
  const grown = pads.map(([before, after]): [number, number] => [Math.max(0, before), Math.max(0, after)]);
  if (mode === 'constant') {
    const filling =
      call.opset < 11 ? real(call, 'value', 0) : (knownOperand(call, 2, 'padding values')?.values[0] ?? 0);
    return [valueIn(layout, pad(cropped, grown, Number(filling)))];
  }
  if (mode !== 'reflect' && mode !== 'edge') {
    throw unsupported(call, `mode ${JSON.stringify(mode).slice(0, 40)}`);
  }
  if (mode === 'reflect' && grown.some((ends, axis) => Math.max(...ends) >= cropped.shape[axis])) {
    throw unsupported(call, 'a reflection wider than the data');
  }
  return [
    valueIn(
      layout,
      grown.reduce((at, ends, axis) => padByCopies(at, axis, ends, mode), cropped),
    ),
  ];
};

/** Most positions a gather may take by slices. */
const MAX_GATHERED = 4096;

/**
 * Refuses positions of a Gather that are not along its axis.
 *
 * @throws InputError naming the node, the position and what it is taken of
 */
export function requirePositions(call: OperatorCall, positions: HostValue['values'], extent: number): void {
  const wrong = positions.find((position: number) => !(position >= -extent && position < extent));
  if (wrong !== undefined) {
    throw malformed(
      call,
      `takes position ${wrong} of ${quoted(call.node.inputs[0] ?? '')}, which has ${extent} (0 to ${extent - 1}): export the model again`,
    );
  }
}

/** Takes positions along an axis by slices, whose derivatives are right; runs of neighbours are one slice. */
const gather: Operator = (call) => {
  const value = operand(call, 0);
  const positions = knownOperand(call, 1, 'positions') as HostValue;
  const x = inOnnxOrder(call, value);
  const axis = resolveAxis(call, integer(call, 'axis', 0), x.rank);
  const extent = x.shape[axis];
  const wanted = Array.from(positions.values, (position) => (position < 0 ? position + extent : position));
  requirePositions(call, positions.values, extent);
  const runs: { start: number; count: number }[] = [];
  for (const position of wanted) {
    const run = runs[runs.length - 1];
    if (run !== undefined && run.start + run.count === position) {
      run.count++;
    } else {
      runs.push({ start: position, count: 1 });
    }
  }
  if (runs.length === 0 || runs.length > MAX_GATHERED) {
    throw unsupported(call, `${wanted.length} scattered positions`);
  }
  const pieces = runs.map(({ start, count }) => part(x, axis, start, count));
  const joined = pieces.length === 1 ? pieces[0] : concat(pieces, axis);
  const shape = [...x.shape.slice(0, axis), ...positions.shape, ...x.shape.slice(axis + 1)];
  return [tensorValue(reshape(joined, shape))];
};

/** Parts of tensors, taken out and put together. */
export const slicingOperators: OperatorTable = {
  Concat: concatenate,
  Split: split,
  Slice: sliceAxes,
  Pad: padAxes,
  Gather: gather,
};
