import { describe, expect, it } from 'vitest';
import { compileMatrixProducts } from '../../../src/compute/compile/matrix-products.js';
import { NotCompilableError } from '../../../src/compute/compile/trace.js';
import { plainProducts } from '../../../src/pruning/methods/matrix-products.js';
import { randomStream } from '../../../src/random.js';
import { hasNative, native } from './support.js';

function normals(rows: number, columns: number, name: string) {
  const random = randomStream(1, name);
  return { rows, columns, values: Float64Array.from({ length: rows * columns }, () => random.normal()) };
}

const SIZES = [
  [1, 1, 1],
  [1, 5, 3],
  [4, 2, 9],
  [5, 7, 1],
  [33, 50, 1029],
] as const;

describe.each(SIZES)('a product of %i and %i rows of %i numbers', (leftRows, rightRows, columns) => {
  const left = normals(leftRows, columns, 'left');
  const right = normals(rightRows, columns, 'right');
  const expected = Array.from({ length: leftRows * rightRows }, (_, place) => {
    const [i, j] = [Math.floor(place / rightRows), place % rightRows];
    let sum = 0;
    for (let k = 0; k < columns; k++) {
      sum += left.values[i * columns + k] * right.values[j * columns + k];
    }
    return sum;
  });
  const check = (product: Float64Array): void => {
    expect(product).toHaveLength(expected.length);
    // Sums of so many numbers of size 1, in another order: float64 rounding.
    product.forEach((value, i) => {
      expect(Math.abs(value - expected[i])).toBeLessThan(1e-15 * columns + 1e-15);
    });
  };

  it('by plain loops', async () => {
    check(await plainProducts.timesTransposed(left, right));
  });

  it.skipIf(!hasNative)('by ONNX Runtime', async () => {
    const products = await compileMatrixProducts(native);
    check(await products.timesTransposed(left, right));
    products.dispose();
  });
});

it.skipIf(!hasNative)('says what ONNX Runtime refuses', async () => {
  const products = await compileMatrixProducts(native);
  await expect(products.timesTransposed(normals(2, 3, 'a'), normals(2, 4, 'b'))).rejects.toThrow(
    NotCompilableError,
  );
  products.dispose();
});
