import type { Tensor } from '../tfjs-core.js';
import { observeKernels, SAME_NUMBERS } from './observed-kernels.js';

/** Input rows of a product with a weight matrix. */
export interface DenseInputs {
  /** Which of the weights, by index. */
  weight: number;
  /** The axis of the weight, 0 or 1, that the inputs lie along. */
  inputAxis: 0 | 1;
  /** Numbers of a row. */
  columns: number;
  /** Row-major, rows x columns. */
  values: Float32Array;
}

/**
 * Runs a program on the current tfjs backend and reports what is multiplied with weight matrices from the left,
 * x W or x W'.
 *
 * @param weights tensors that the program reads
 * @param visit called with the inputs of every such product
 * @returns indices of the weights of rank other than 2, or that some other kernel reads: not those of dense layers
 */
export function observeDenseInputs(
  program: () => void,
  weights: readonly Tensor[],
  visit: (inputs: DenseInputs) => void,
): ReadonlySet<number> {
  const views = new Map(weights.map(({ id }, weight) => [id, { weight, flipped: false }]));
  const others = new Set<number>();
  weights.forEach(({ rank }, weight) => {
    if (rank !== 2) {
      others.add(weight);
    }
  });
  observeKernels(program, (name, inputs, attrs, result) => {
    for (const [place, input] of Object.entries(inputs)) {
      for (const read of [input ?? []].flat()) {
        const view = views.get(read.id);
        if (view === undefined) {
          continue;
        }
        const { weight, flipped } = view;
        const { a } = inputs;
        const perm = attrs.perm as number[] | undefined;
        if (SAME_NUMBERS.has(name) || (name === 'Transpose' && perm?.every((axis, i) => axis === i))) {
          views.set((result as Tensor).id, view);
        } else if (name === 'Transpose' && read.rank === 2) {
          views.set((result as Tensor).id, { weight, flipped: !flipped });
        } else if (
          (name === 'BatchMatMul' || name === '_FusedMatMul') &&
          place === 'b' &&
          attrs.transposeA !== true &&
          a !== undefined &&
          a !== null &&
          !Array.isArray(a)
        ) {
          visit({
            weight,
            inputAxis: flipped === (attrs.transposeB === true) ? 0 : 1,
            columns: a.shape[a.rank - 1],
            values: a.dataSync() as Float32Array,
          });
        } else {
          others.add(weight);
        }
      }
    }
  });
  return others;
}
