/**
 * The Hessian of a network of one hidden ReLU layer under softmax
 * cross-entropy, in float64 by its closed form: far quicker than differences,
 * and right beside the kinks, where these are not.
 */

/** Kernels are [inputs, outputs], as in Keras. */
export interface ReluMlp {
  hidden: { kernel: ArrayLike<number>; bias: ArrayLike<number> };
  last: { kernel: ArrayLike<number>; bias: ArrayLike<number> };
}

/**
 * Mean Hessian over examples with respect to both kernels, first the hidden
 * one; D rows of D entries.
 *
 * @param labels class of each example
 */
export function reluMlpHessian(
  { hidden, last }: ReluMlp,
  examples: readonly ArrayLike<number>[],
  labels: ArrayLike<number>,
): Float64Array[] {
  const width = hidden.bias.length;
  const classes = last.bias.length;
  const inputs = hidden.kernel.length / width;
  const offset = inputs * width;
  const dimension = offset + width * classes;
  const hessian = Array.from({ length: dimension }, () => new Float64Array(dimension));
  examples.forEach((x, n) => {
    const z = Array.from(hidden.bias, (bias, a) => {
      let sum = bias;
      for (let i = 0; i < inputs; i++) {
        sum += x[i] * hidden.kernel[i * width + a];
      }
      return sum;
    });
    const h = z.map((value) => Math.max(0, value));
    const logits = Array.from(last.bias, (bias, k) =>
      h.reduce((sum, value, a) => sum + value * last.kernel[a * classes + k], bias),
    );
    const largest = Math.max(...logits);
    const exponentials = logits.map((logit) => Math.exp(logit - largest));
    const total = exponentials.reduce((a, b) => a + b, 0);
    const p = exponentials.map((exponential) => exponential / total);
    // Every derivative of a logit: [index of the weight, logit, derivative].
    const jacobian = p.map((_, k) => {
      const row = new Float64Array(dimension);
      for (let a = 0; a < width; a++) {
        row[offset + a * classes + k] = h[a];
        for (let i = 0; i < inputs && z[a] > 0; i++) {
          row[i * width + a] = x[i] * last.kernel[a * classes + k];
        }
      }
      return row;
    });
    const mean = new Float64Array(dimension);
    jacobian.forEach((row, k) => {
      row.forEach((entry, u) => {
        mean[u] += p[k] * entry;
      });
    });
    // J' (diag(p) - p p') J = sum_k p_k (J_k - mean)(J_k - mean)'
    jacobian.forEach((row, k) => {
      const centred = row.map((entry, u) => entry - mean[u]);
      for (let u = 0; u < dimension; u++) {
        const factor = (p[k] * centred[u]) / examples.length;
        for (let v = 0; v < dimension && factor !== 0; v++) {
          hessian[u][v] += factor * centred[v];
        }
      }
    });
    // Logits are linear in each kernel; their only second derivatives join the two.
    for (let a = 0; a < width; a++) {
      for (let k = 0; k < classes && z[a] > 0; k++) {
        const residual = (p[k] - (labels[n] === k ? 1 : 0)) / examples.length;
        for (let i = 0; i < inputs; i++) {
          hessian[i * width + a][offset + a * classes + k] += residual * x[i];
          hessian[offset + a * classes + k][i * width + a] += residual * x[i];
        }
      }
    }
  });
  return hessian;
}
