import { elementCount } from '../../../checkpoint/checkpoint.js';
import { add, matMul, mul, reshape, type Tensor, transpose } from '../../../tfjs-core.js';
import {
  inOnnxOrder,
  integer,
  malformed,
  type Operator,
  type OperatorCall,
  type OperatorTable,
  operand,
  real,
} from '../operator.js';
import { repeated, tensorValue } from '../values.js';

const gemm: Operator = (call) => {
  const [a, b] = [inOnnxOrder(call, operand(call, 0)), inOnnxOrder(call, operand(call, 1))];
  const [transposeA, transposeB] = [integer(call, 'transA', 0) !== 0, integer(call, 'transB', 0) !== 0];
  if (a.rank !== 2 || b.rank !== 2 || a.shape[transposeA ? 0 : 1] !== b.shape[transposeB ? 1 : 0]) {
    throw malformed(call, `[${a.shape}] and [${b.shape}] have no product`);
  }
  const alpha = real(call, 'alpha', 1);
  const beta = real(call, 'beta', 1);
  const product = matMul(a, b, transposeA, transposeB);
  const scaled = alpha === 1 ? product : mul(product, alpha);
  const bias = call.inputs[2] ?? null;
  if (bias === null || beta === 0) {
    return [tensorValue(scaled)];
  }
  const shift = inOnnxOrder(call, bias);
  return [tensorValue(add(scaled, beta === 1 ? shift : mul(shift, beta)))];
};

/** Repeats a tensor along leading axes of extent 1, and flattens those: [product(batch), rows, columns]. */
function batched(x: Tensor, batch: readonly number[]): Tensor {
  const [rows, columns] = x.shape.slice(-2);
  const own = [...Array(batch.length - (x.rank - 2)).fill(1), ...x.shape.slice(0, -2)] as number[];
  const repeats = own.map((extent, axis) => batch[axis] / extent);
  const whole = repeats.every((repeat) => repeat === 1)
    ? x
    : repeated(reshape(x, [...own, rows * columns]), [...repeats, 1]);
  return reshape(whole, [elementCount(batch), rows, columns]);
}

function broadcastExtents(call: OperatorCall, a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - (rank - a.length)] ?? 1;
    const right = b[axis - (rank - b.length)] ?? 1;
    if (left !== right && left !== 1 && right !== 1) {
      throw malformed(call, `batches [${a}] and [${b}] do not fit`);
    }
    return left === 1 ? right : left;
  });
}

/** [..., k] times [k, n] as one product of matrices. */
function timesMatrix(a: Tensor, b: Tensor): Tensor {
  const k = a.shape[a.rank - 1] as number;
  const rows = elementCount(a.shape.slice(0, -1));
  return reshape(matMul(reshape(a, [rows, k]), b), [...a.shape.slice(0, -1), b.shape[1] as number]);
}

function swapMatrixAxes(x: Tensor): Tensor {
  return transpose(x, [...Array(x.rank - 2).keys(), x.rank - 1, x.rank - 2]);
}

/** Product of matrices, numpy's rules: vectors become matrices, leading axes broadcast. */
const product: Operator = (call) => {
  const [left, right] = [inOnnxOrder(call, operand(call, 0)), inOnnxOrder(call, operand(call, 1))];
  if (left.rank === 0 || right.rank === 0) {
    throw malformed(call, 'a single number has no matrix product');
  }
  const a = left.rank === 1 ? reshape(left, [1, left.size]) : left;
  const b = right.rank === 1 ? reshape(right, [right.size, 1]) : right;
  if (a.shape[a.rank - 1] !== b.shape[b.rank - 2]) {
    throw malformed(call, `[${left.shape}] and [${right.shape}] have no product`);
  }
  let result: Tensor;
  if (b.rank === 2) {
    result = timesMatrix(a, b);
  } else if (a.rank === 2) {
    result = swapMatrixAxes(timesMatrix(swapMatrixAxes(b), transpose(a)));
  } else {
    const batch = broadcastExtents(call, a.shape.slice(0, -2), b.shape.slice(0, -2));
    const rows = matMul(batched(a, batch), batched(b, batch));
    result = reshape(rows, [...batch, ...rows.shape.slice(1)]);
  }
  const shape = [
    ...result.shape.slice(0, -2),
    ...(left.rank === 1 ? [] : [result.shape[result.rank - 2]]),
    ...(right.rank === 1 ? [] : [result.shape[result.rank - 1]]),
  ];
  return [tensorValue(left.rank === 1 || right.rank === 1 ? reshape(result, shape) : result)];
};

/** Products of matrices. */
export const linearOperators: OperatorTable = { Gemm: gemm, MatMul: product };
