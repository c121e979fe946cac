import type { RowProjection } from '../../src/spectrum/lanczos-vectors.js';

/** The products, straight from their definition. */
export const definedProjection: RowProjection = {
  paddedLength: (length) => Math.ceil(length / 16) * 16,
  project: async (rows, x) => {
    const count = rows.length / x.length;
    const coefficients = new Float32Array(count);
    const remainder = Float64Array.from(x);
    for (let k = 0; k < count; k++) {
      const row = rows.subarray(k * x.length, (k + 1) * x.length);
      coefficients[k] = row.reduce((sum, entry, i) => sum + entry * x[i], 0);
      row.forEach((entry, i) => {
        remainder[i] -= coefficients[k] * entry;
      });
    }
    return { coefficients, remainder: Float32Array.from(remainder) };
  },
};
