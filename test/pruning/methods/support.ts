import { plainProducts } from '../../../src/pruning/methods/matrix-products.js';
import type { PruningProblem } from '../../../src/pruning/methods/method.js';

/**
 * A least-squares problem with known derivatives: L(w) = 1/(2 n) sum (x_i' w - y_i)^2, so that the gradient of example i
 * is (x_i' w - y_i) x_i and the Gauss-Newton matrix the Hessian X'X / n.
 *
 * @param rows x_i
 */
export function leastSquares(
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  weights: readonly number[],
  sizes: readonly number[] = [weights.length],
): PruningProblem {
  const residual = (at: ArrayLike<number>, i: number): number =>
    rows[i].reduce((sum, x, j) => sum + x * at[j], 0) - targets[i];
  const mean = (
    { start, end }: { start: number; end: number },
    factor: (i: number) => number,
  ): Float64Array => {
    const total = new Float64Array(weights.length);
    for (let i = start; i < end; i++) {
      rows[i].forEach((x, j) => {
        total[j] += (factor(i) * x) / (end - start);
      });
    }
    return total;
  };
  let offset = 0;
  return {
    weights: Float32Array.from(weights),
    products: plainProducts,
    layers: sizes.map((size, index) => {
      offset += size;
      return {
        name: `l${index}`,
        checkpointName: `l${index}`,
        shape: [size, 1],
        size,
        offset: offset - size,
      };
    }),
    oracle: {
      examples: rows.length,
      loss: async (at, { start, end }) => {
        let sum = 0;
        for (let i = start; i < end; i++) {
          sum += residual(at, i) ** 2 / 2 / (end - start);
        }
        return sum;
      },
      gradient: async (at, range) => mean(range, (i) => residual(at, i)),
      gaussNewton: async (_, range) => ({
        apply: async (vector) => mean(range, (i) => rows[i].reduce((sum, x, j) => sum + x * vector[j], 0)),
        dispose: () => {},
      }),
      gradientRows: async (at, { batchSize, count }, visit) => {
        for (let index = 0; index < count; index++) {
          const range = { start: index * batchSize, end: (index + 1) * batchSize };
          visit(Float32Array.from(mean(range, (i) => residual(at, i))), index);
        }
      },
      meanSquaredGradient: async (at, examples) => {
        const total = new Float64Array(weights.length);
        for (let i = 0; i < examples; i++) {
          rows[i].forEach((x, j) => {
            total[j] += (residual(at, i) * x) ** 2 / examples;
          });
        }
        return total;
      },
      towards: async (at, examples, labelShare) => {
        const answers = rows
          .slice(0, examples)
          .map(
            (row, i) =>
              (1 - labelShare) * row.reduce((sum, x, j) => sum + x * at[j], 0) + labelShare * targets[i],
          );
        return leastSquares(rows.slice(0, examples), answers, weights, sizes).oracle;
      },
      layerInputs: async () => sizes.map(() => null),
      summedOutputGradient: async (at) => Float64Array.from(at, () => 1),
    },
  };
}
