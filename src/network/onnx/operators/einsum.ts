import { elementCount } from '../../../checkpoint/checkpoint.js';
import { matMul, mul, reshape, sum, type Tensor, transpose } from '../../../tfjs-core.js';
import { parseEinsum } from '../einsum-equation.js';
import {
  checkShape,
  inOnnxOrder,
  malformed,
  type Operator,
  type OperatorTable,
  operand,
  text,
  unsupported,
} from '../operator.js';
import { tensorValue } from '../values.js';

/** A tensor with a letter for each axis. */
interface Labelled {
  x: Tensor;
  letters: readonly string[];
}

function extentOf({ x, letters }: Labelled, letter: string): number {
  return x.shape[letters.indexOf(letter)];
}

/** The same numbers with the axes in another order. */
function ordered({ x, letters }: Labelled, wanted: readonly string[]): Tensor {
  const perm = wanted.map((letter) => letters.indexOf(letter));
  return perm.every((axis, index) => axis === index) ? x : transpose(x, perm);
}

/** Sums over the axes that are not in the list. */
function summed({ x, letters }: Labelled, kept: ReadonlySet<string>): Labelled {
  const axes = letters.flatMap((letter, axis) => (kept.has(letter) ? [] : [axis]));
  return axes.length === 0
    ? { x, letters }
    : { x: sum(x, axes), letters: letters.filter((letter) => kept.has(letter)) };
}

/**
 * The product of two tensors, as one of matrices: letters of both that stay are a batch, letters of both that go are
 * summed over, letters of one are rows or columns.
 */
function productOf(a: Labelled, b: Labelled, kept: ReadonlySet<string>): Labelled {
  const [inA, inB] = [new Set(a.letters), new Set(b.letters)];
  const left = summed(a, new Set([...kept, ...inB]));
  const right = summed(b, new Set([...kept, ...inA]));
  const batch = left.letters.filter((letter) => inB.has(letter) && kept.has(letter));
  const inner = left.letters.filter((letter) => inB.has(letter) && !kept.has(letter));
  const rows = left.letters.filter((letter) => !inB.has(letter));
  const columns = right.letters.filter((letter) => !inA.has(letter));
  const sizes = (from: Labelled, letters: readonly string[]): number[] =>
    letters.map((letter) => extentOf(from, letter));
  const [batches, rowSizes, columnSizes] = [sizes(left, batch), sizes(left, rows), sizes(right, columns)];
  const [n, k] = [elementCount(batches), elementCount(sizes(left, inner))];
  const [height, width] = [elementCount(rowSizes), elementCount(columnSizes)];
  const leading = batch.length === 0 ? [] : [n];
  const leftMatrix = reshape(ordered(left, [...batch, ...rows, ...inner]), [...leading, height, k]);
  const rightMatrix = reshape(ordered(right, [...batch, ...inner, ...columns]), [...leading, k, width]);
  const product = inner.length === 0 ? mul(leftMatrix, rightMatrix) : matMul(leftMatrix, rightMatrix);
  return {
    x: reshape(product, [...batches, ...rowSizes, ...columnSizes]),
    letters: [...batch, ...rows, ...columns],
  };
}

/** Products and sums over named axes, operand by operand from the left. */
const einsum: Operator = (call) => {
  const equation = text(call, 'equation', '');
  const parsed = parseEinsum(equation);
  if (parsed === null) {
    throw unsupported(
      call,
      `equation ${JSON.stringify(equation).slice(0, 60)}`,
      'export the model with MatMul and Transpose in its place',
    );
  }
  const { operands, result } = parsed;
  const values = call.inputs.map((_, index) => operand(call, index));
  const extents = new Map<string, number>();
  for (const [index, letters] of operands.entries()) {
    const shape = values[index]?.shape ?? [];
    const fits = letters.every((letter, axis) => (extents.get(letter) ?? shape[axis]) === shape[axis]);
    if (values.length !== operands.length || shape.length !== letters.length || !fits) {
      throw malformed(
        call,
        `${values.map((value) => `[${value.shape}]`).join(', ')} do not fit equation ${JSON.stringify(equation).slice(0, 60)}`,
      );
    }
    letters.forEach((letter, axis) => {
      extents.set(letter, shape[axis]);
    });
  }
  const labelled = values.map((value, index) => ({ x: inOnnxOrder(call, value), letters: operands[index] }));
  const [first, ...rest] = labelled;
  const whole = rest.reduce((product, next, index) => {
    const later = new Set([...result, ...operands.slice(index + 2).flat()]);
    const stay = [...new Set([...product.letters, ...next.letters])].filter((letter) => later.has(letter));
    checkShape(
      call,
      stay.map((letter) => extents.get(letter) as number),
    );
    return productOf(product, next, later);
  }, first as Labelled);
  return [tensorValue(ordered(summed(whole, new Set(result)), result).clone())];
};

/** Sums of products over named axes. */
export const einsumOperators: OperatorTable = { Einsum: einsum };
