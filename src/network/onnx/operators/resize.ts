import { elementCount } from '../../../checkpoint/checkpoint.js';
import { matMul, reshape, type Tensor, tensor2d, transpose } from '../../../tfjs-core.js';
import {
  checkShape,
  inOnnxOrder,
  integer,
  integers,
  knownOperand,
  malformed,
  type Operator,
  type OperatorCall,
  type OperatorTable,
  operand,
  reals,
  resolveAxis,
  text,
  unsupported,
} from '../operator.js';
import { tensorValue } from '../values.js';

/** How an axis is resized: the matrix [from, to] that new positions are made of. */
interface ResizedAxis {
  axis: number;
  to: number;
  matrix: Float32Array;
}

/** Where a new position lies among the old ones. */
function oldCoordinate(
  call: OperatorCall,
  transformation: string,
  position: number,
  sizes: { from: number; to: number; scale: number },
): number {
  const { from, to, scale } = sizes;
  switch (transformation) {
    case 'half_pixel':
      return (position + 0.5) / scale - 0.5;
    case 'pytorch_half_pixel':
      return to > 1 ? (position + 0.5) / scale - 0.5 : 0;
    case 'align_corners':
      return to > 1 ? (position * (from - 1)) / (to - 1) : 0;
    case 'asymmetric':
      return position / scale;
    default:
      throw unsupported(
        call,
        `coordinate_transformation_mode ${JSON.stringify(transformation).slice(0, 40)}`,
      );
  }
}

function nearestPosition(call: OperatorCall, rounding: string, coordinate: number): number {
  switch (rounding) {
    case 'round_prefer_floor':
      return Math.ceil(coordinate - 0.5);
    case 'round_prefer_ceil':
      return Math.floor(coordinate + 0.5);
    case 'floor':
      return Math.floor(coordinate);
    case 'ceil':
      return Math.ceil(coordinate);
    default:
      throw unsupported(call, `nearest_mode ${JSON.stringify(rounding).slice(0, 40)}`);
  }
}

function resizeMatrix(
  call: OperatorCall,
  mode: string,
  transformation: string,
  rounding: string,
  sizes: { from: number; to: number; scale: number },
): Float32Array {
  const { from, to } = sizes;
  const matrix = new Float32Array(from * to);
  const inside = (position: number): number => Math.min(from - 1, Math.max(0, position));
  for (let position = 0; position < to; position++) {
    const coordinate = oldCoordinate(call, transformation, position, sizes);
    if (mode === 'nearest') {
      matrix[inside(nearestPosition(call, rounding, coordinate)) * to + position] = 1;
    } else {
      const before = Math.floor(coordinate);
      matrix[inside(before) * to + position] += 1 - (coordinate - before);
      matrix[inside(before + 1) * to + position] += coordinate - before;
    }
  }
  return matrix;
}

/** The extents an image is resized to and by which scale, from whichever operand or attribute says. */
function targets(call: OperatorCall, shape: readonly number[]): { to: number; scale: number }[] {
  const listOf = (index: number): number[] | null => {
    const value = call.inputs.length > index ? knownOperand(call, index, 'scales or sizes') : null;
    return value === null || value.values.length === 0 ? null : Array.from(value.values, Number);
  };
  const isUpsample = call.node.opType === 'Upsample';
  const scales =
    isUpsample && call.opset < 9 ? reals(call, 'scales') : listOf(isUpsample || call.opset < 11 ? 1 : 2);
  const sizes = isUpsample || call.opset < 11 ? null : listOf(3);
  const axes = (integers(call, 'axes') ?? shape.map((_, axis) => axis)).map((axis) =>
    resolveAxis(call, axis, shape.length),
  );
  const given = sizes ?? scales;
  if (given === null || given.length !== axes.length) {
    throw malformed(call, 'scales or sizes do not fit the axes');
  }
  if (sizes !== null && text(call, 'keep_aspect_ratio_policy', 'stretch') !== 'stretch') {
    throw unsupported(call, 'a kept aspect ratio');
  }
  const result = shape.map((to) => ({ to, scale: 1 }));
  axes.forEach((axis, index) => {
    const from = shape[axis];
    result[axis] =
      sizes === null
        ? { to: Math.floor(from * given[index]), scale: given[index] }
        : { to: given[index], scale: given[index] / from };
  });
  return result;
}

/** Resizing is linear and separable: a product with a constant matrix for each axis that changes. */
const resize: Operator = (call) => {
  const value = operand(call, 0);
  const mode = text(call, 'mode', 'nearest');
  if ((mode !== 'nearest' && mode !== 'linear') || integer(call, 'antialias', 0) !== 0) {
    throw unsupported(call, mode === 'nearest' || mode === 'linear' ? 'antialias' : 'this mode');
  }
  const old = call.node.opType === 'Upsample' || call.opset < 11;
  const transformation = old ? 'asymmetric' : text(call, 'coordinate_transformation_mode', 'half_pixel');
  const rounding = old ? 'floor' : text(call, 'nearest_mode', 'round_prefer_floor');
  const wanted = targets(call, value.shape);
  checkShape(
    call,
    wanted.map(({ to }) => to),
  );
  const changed = wanted.flatMap(({ to, scale }, axis): ResizedAxis[] => {
    const sizes = { from: value.shape[axis], to, scale };
    if (axis === 0 || (to === sizes.from && scale === 1)) {
      return [];
    }
    return [{ axis, to, matrix: resizeMatrix(call, mode, transformation, rounding, sizes) }];
  });
  return [tensorValue(changed.reduce(resizeAxis, inOnnxOrder(call, value)))];
};

function resizeAxis(x: Tensor, { axis, to, matrix }: ResizedAxis): Tensor {
  const perm = [...x.shape.keys()].filter((other) => other !== axis).concat(axis);
  const moved = transpose(x, perm);
  const extents = moved.shape.slice(0, -1);
  const rows = reshape(moved, [elementCount(extents), x.shape[axis]]);
  const resized = matMul(rows, tensor2d(matrix, [x.shape[axis], to]));
  return transpose(
    reshape(resized, [...extents, to]),
    perm.map((_, index) => perm.indexOf(index)),
  );
}

/** Changes of an image's size. */
export const resizeOperators: OperatorTable = { Resize: resize, Upsample: resize };
