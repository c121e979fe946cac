import { elementCount } from '../../../checkpoint/checkpoint.js';
import type { OnnxTensor } from '../../../checkpoint/onnx-graph.js';
import {
  checkShape,
  integer,
  integers,
  integersOf,
  malformed,
  type OperatorCall,
  real,
  reals,
  resolveAxis,
  tensorAttribute,
  unsupported,
} from '../operator.js';
import {
  constantValue,
  forEachIndex,
  type HostValue,
  hostValue,
  rowMajorStrides,
  transposedNumbers,
} from '../values.js';
import { dequantizedValue, quantizedValue } from './quantization.js';
import { requirePositions, sliceRanges } from './slicing.js';

/** Computes a node outside of tfjs; null where it leaves that to the tensor operator. */
type HostOperator = (call: OperatorCall, inputs: readonly HostValue[]) => HostValue[] | null;

/** Largest number of values that is computed one by one. */
const MAX_HOST_VALUES = 2 ** 16;

function broadcastShape(call: OperatorCall, shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const extents = shapes.map((shape) => shape[axis - (rank - shape.length)] ?? 1);
    const extent = extents.find((candidate) => candidate !== 1) ?? 1;
    if (extents.some((candidate) => candidate !== 1 && candidate !== extent)) {
      throw malformed(call, `shapes ${shapes.map((shape) => `[${shape}]`).join(' and ')} do not broadcast`);
    }
    return extent;
  });
}

/** Applies a function of single numbers to broadcast operands. */
function numbers(
  apply: (values: readonly number[], type: OnnxTensor['type']) => number,
  resultType?: OnnxTensor['type'],
): HostOperator {
  return (call, inputs) => {
    const shape = broadcastShape(
      call,
      inputs.map((value) => value.shape),
    );
    checkShape(call, shape);
    const { type } = inputs[inputs.length - 1];
    const result = new Float64Array(elementCount(shape));
    const strides = inputs.map((value) => {
      const own = rowMajorStrides(value.shape);
      return shape.map((_, axis) => {
        const at = axis - (shape.length - value.shape.length);
        return at < 0 || value.shape[at] === 1 ? 0 : own[at];
      });
    });
    forEachIndex(shape, (index, position) => {
      result[position] = apply(
        inputs.map((value, k) => value.values[index.reduce((sum, i, axis) => sum + i * strides[k][axis], 0)]),
        type,
      );
    });
    return [hostValue(resultType ?? type, shape, result)];
  };
}

const quotient = ([a, b]: readonly number[], type: OnnxTensor['type']): number =>
  type === 'integer' ? Math.trunc(a / b) : a / b;

const reshapedTo =
  (shapeOf: (call: OperatorCall, input: HostValue) => number[]): HostOperator =>
  (call, [input]) => {
    const shape = shapeOf(call, input);
    return [{ ...input, constant: false, shape }];
  };

const squeezedShape = (call: OperatorCall, { shape }: HostValue): number[] => {
  const axes = integersOf(call, 1, 'axes', 13)?.map((axis) => resolveAxis(call, axis, shape.length));
  return shape.filter((extent, axis) => !(axes?.includes(axis) ?? extent === 1));
};

const unsqueezedShape = (call: OperatorCall, { shape }: HostValue): number[] => {
  const given = integersOf(call, 1, 'axes', 13) ?? [];
  const rank = shape.length + given.length;
  const axes = new Set(given.map((axis) => resolveAxis(call, axis, rank)));
  const extents = [...shape];
  return Array.from({ length: rank }, (_, axis) => (axes.has(axis) ? 1 : (extents.shift() as number)));
};

const gathered: HostOperator = (call, [data, positions]) => {
  const axis = resolveAxis(call, integer(call, 'axis', 0), data.shape.length);
  const extent = data.shape[axis];
  const inner = elementCount(data.shape.slice(axis + 1));
  const outer = elementCount(data.shape.slice(0, axis));
  const taken = Array.from(positions.values, (position) => (position < 0 ? position + extent : position));
  requirePositions(call, positions.values, extent);
  const result: number[] = [];
  for (let block = 0; block < outer; block++) {
    for (const position of taken) {
      const start = (block * extent + position) * inner;
      for (let i = start; i < start + inner; i++) {
        result.push(data.values[i]);
      }
    }
  }
  const shape = [...data.shape.slice(0, axis), ...positions.shape, ...data.shape.slice(axis + 1)];
  return [hostValue(data.type, shape, result)];
};

/** One axis alone: lists of extents are. */
const concatenated: HostOperator = (call, inputs) => {
  if (inputs.some(({ shape }) => shape.length !== 1)) {
    return null;
  }
  resolveAxis(call, integer(call, 'axis', 0), 1);
  const all = inputs.flatMap(({ values }) => Array.from(values, Number));
  return [hostValue(inputs[0].type, [all.length], all)];
};

/** Of several axes, too: exporters turn lists of paddings around as matrices. */
const sliced: HostOperator = (call, [data]) => {
  if (data.type === 'float' && data.shape.length !== 1) {
    return null;
  }
  const ranges = sliceRanges(call, data.shape);
  const strides = rowMajorStrides(data.shape);
  const shape = ranges.map(({ count }) => count);
  const result = new Float64Array(elementCount(shape));
  forEachIndex(shape, (index, position) => {
    const at = ranges.reduce(
      (sum, { start, step }, axis) => sum + (start + index[axis] * step) * strides[axis],
      0,
    );
    result[position] = data.values[at];
  });
  return [hostValue(data.type, shape, result)];
};

const expanded: HostOperator = (call, [data, target]) => {
  // A tensor that is spread over the batch must be spread by a kernel.
  if (data.values.length !== 1 && data.type === 'float') {
    return null;
  }
  const shape = broadcastShape(call, [data.shape, Array.from(target.values, Number)]);
  checkShape(call, shape);
  const blank = hostValue('integer', shape, new Float64Array(elementCount(shape)));
  return numbers(([value]) => value, data.type)(call, [data, blank]);
};

const filled: HostOperator = (call, [target]) => {
  const value = tensorAttribute(call, 'value');
  const shape = Array.from(target.values, Number);
  checkShape(call, shape);
  const count = elementCount(shape);
  return [hostValue(value?.type ?? 'float', shape, new Float64Array(count).fill(value?.values[0] ?? 0))];
};

const constant: HostOperator = (call) => {
  const tensor = tensorAttribute(call, 'value');
  if (tensor !== null) {
    return [constantValue(tensor)];
  }
  const float = call.node.attributes.has('value_float') ? real(call, 'value_float', 0) : null;
  const int = integer(call, 'value_int', null);
  const floatList = reals(call, 'value_floats');
  const intList = integers(call, 'value_ints');
  if (float !== null) {
    return [hostValue('float', [], [float])];
  }
  if (int !== null) {
    return [hostValue('integer', [], [int])];
  }
  const list = floatList ?? intList;
  if (list === null) {
    throw unsupported(call, 'a value of this kind');
  }
  return [hostValue(floatList === null ? 'integer' : 'float', [list.length], list)];
};

const INTEGERS = new Set([2, 3, 4, 5, 6, 7, 12, 13]);
const FLOATS = new Set([1, 10, 11, 16]);

const converted: HostOperator = (call, [data]) => {
  const to = integer(call, 'to', 0);
  const numbersOf = (map: (value: number) => number): number[] => Array.from(data.values, map);
  if (FLOATS.has(to)) {
    return [hostValue('float', data.shape, data.values)];
  }
  if (INTEGERS.has(to)) {
    return [hostValue('integer', data.shape, numbersOf(Math.trunc))];
  }
  if (to === 9) {
    return [
      hostValue(
        'boolean',
        data.shape,
        numbersOf((value) => Number(value !== 0)),
      ),
    ];
  }
  throw unsupported(call, `type ${to}`);
};

/** As `Cast` to the type of the second operand, whose width does not matter here. */
const convertedLike: HostOperator = (_call, [data, like]) => {
  const { type } = like;
  const map = type === 'integer' ? Math.trunc : type === 'boolean' ? (x: number) => Number(x !== 0) : Number;
  return [hostValue(type, data.shape, Array.from(data.values, map))];
};

const range: HostOperator = (call, [start, limit, step]) => {
  const [from, to, by] = [start, limit, step].map(({ values }) => values[0]);
  const count = Math.max(0, Math.ceil((to - from) / by));
  checkShape(call, [count]);
  return [
    hostValue(
      start.type,
      [count],
      Array.from({ length: count }, (_, i) => from + i * by),
    ),
  ];
};

const transposed: HostOperator = (call, [data]) => {
  const perm = [...(integers(call, 'perm') ?? [...data.shape.keys()].reverse())];
  const shape = perm.map((axis) => data.shape[axis]);
  return [hostValue(data.type, shape, transposedNumbers(data.values, data.shape, perm))];
};

/** Product, or largest or smallest, of all numbers: what is asked of shapes. */
const wholeReduction =
  (combine: (a: number, b: number) => number, axesSince: number): HostOperator =>
  (call, [data]) => {
    const axes = integersOf(call, 1, 'axes', axesSince);
    if (data.shape.length > 1 || (axes !== null && axes.length > 1)) {
      return null;
    }
    const keepDims = integer(call, 'keepdims', 1) !== 0 && data.shape.length === 1;
    return [hostValue(data.type, keepDims ? [1] : [], [Array.from(data.values, Number).reduce(combine)])];
  };

const reshapedNumbers: HostOperator = (call, [data, target]) => {
  const allowZero = integer(call, 'allowzero', 0) !== 0;
  const shape = Array.from(target.values, (extent, axis) =>
    extent === 0 && !allowZero ? data.shape[axis] : extent,
  );
  const inferred = shape.indexOf(-1);
  if (inferred >= 0) {
    shape[inferred] = data.values.length / -elementCount(shape);
  }
  if (elementCount(shape) !== data.values.length) {
    throw malformed(call, `[${data.shape}] cannot take the shape [${Array.from(target.values)}]`);
  }
  return [{ ...data, constant: false, shape }];
};

const hostOperators: Readonly<Record<string, HostOperator>> = {
  Constant: constant,
  ConstantOfShape: filled,
  Identity: (_call, [data]) => [{ ...data }],
  Cast: converted,
  CastLike: convertedLike,
  Range: range,
  Reshape: reshapedNumbers,
  Squeeze: reshapedTo(squeezedShape),
  Unsqueeze: reshapedTo(unsqueezedShape),
  Transpose: transposed,
  Gather: gathered,
  Concat: concatenated,
  Slice: sliced,
  Expand: expanded,
  ReduceProd: wholeReduction((a, b) => a * b, 18),
  ReduceMax: wholeReduction(Math.max, 18),
  ReduceMin: wholeReduction(Math.min, 18),
  ReduceSum: wholeReduction((a, b) => a + b, 13),
  Add: numbers(([a, b]) => a + b),
  Sub: numbers(([a, b]) => a - b),
  Mul: numbers(([a, b]) => a * b),
  Div: numbers(quotient),
  Mod: numbers(([a, b]) => a - b * Math.floor(a / b)),
  Pow: (call, inputs) => numbers(([a, b]) => a ** b, inputs[0].type)(call, inputs),
  Max: numbers((values) => Math.max(...values)),
  Min: numbers((values) => Math.min(...values)),
  Neg: numbers(([a]) => -a),
  Abs: numbers(([a]) => Math.abs(a)),
  Sqrt: numbers(([a]) => Math.sqrt(a)),
  Floor: numbers(([a]) => Math.floor(a)),
  Ceil: numbers(([a]) => Math.ceil(a)),
  Equal: numbers(([a, b]) => Number(a === b), 'boolean'),
  Greater: numbers(([a, b]) => Number(a > b), 'boolean'),
  GreaterOrEqual: numbers(([a, b]) => Number(a >= b), 'boolean'),
  Less: numbers(([a, b]) => Number(a < b), 'boolean'),
  LessOrEqual: numbers(([a, b]) => Number(a <= b), 'boolean'),
  And: numbers(([a, b]) => Number(a !== 0 && b !== 0), 'boolean'),
  Or: numbers(([a, b]) => Number(a !== 0 || b !== 0), 'boolean'),
  Not: numbers(([a]) => Number(a === 0), 'boolean'),
  QuantizeLinear: quantizedValue,
  DequantizeLinear: dequantizedValue,
  Where: numbers(([condition, a, b]) => (condition !== 0 ? a : b)),
};

/** Operators that exist outside of tfjs alone. */
export const HOST_ONLY = [
  'Constant',
  'ConstantOfShape',
  'Range',
  'ReduceProd',
  'Floor',
  'Ceil',
  'Mod',
  'QuantizeLinear',
  'DequantizeLinear',
];

/**
 * Computes a node outside of tfjs, if all of its operands are known numbers
 * and few enough; else null.
 *
 * Integers and truth values always are: in tfjs they would be constants of a
 * compiled program.
 */
export function onHost(call: OperatorCall): HostValue[] | null {
  const operator = hostOperators[call.node.opType];
  const inputs = call.inputs.filter((value) => value !== null);
  if (operator === undefined || inputs.some(({ kind }) => kind !== 'host')) {
    return null;
  }
  const known = inputs as HostValue[];
  const large = known.some(({ type, values }) => type === 'float' && values.length > MAX_HOST_VALUES);
  return large && !HOST_ONLY.includes(call.node.opType) ? null : operator(call, known);
}
