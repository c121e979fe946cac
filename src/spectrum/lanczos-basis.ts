import { createSimdBasis } from './simd-basis.js';

/**
 * The Lanczos vectors kept so far. Two targets are handled together, so that
 * the basis streams through memory once for both.
 */
export interface LanczosBasis {
  /** Appends a vector. */
  push(vector: Float64Array): void;
  /** V'x and V'y. */
  project(x: Float64Array, y: Float64Array): { x: Float64Array; y: Float64Array };
  /** x -= V a and y -= V b. */
  subtract(x: Float64Array, a: Float64Array, y: Float64Array, b: Float64Array): void;
}

/** A basis of vectors of the given length: float32 in SIMD loops where there are any, float64 in plain ones. */
export function createLanczosBasis(length: number, precision: 'float64' | 'float32'): LanczosBasis {
  return (precision === 'float32' ? createSimdBasis(length) : null) ?? plainBasis(precision);
}

/** A basis in plain arrays. */
export function plainBasis(precision: 'float64' | 'float32'): LanczosBasis {
  const vectors: (Float64Array | Float32Array)[] = [];
  return {
    push: (vector) => {
      vectors.push(precision === 'float32' ? Float32Array.from(vector) : vector.slice());
    },
    project: (x, y) => ({ x: inner(vectors, x), y: inner(vectors, y) }),
    subtract: (x, a, y, b) => {
      subtractCombination(vectors, x, a);
      subtractCombination(vectors, y, b);
    },
  };
}

/** V'target; four basis vectors at a time, so that the target is read a quarter as often. */
function inner(basis: readonly (Float64Array | Float32Array)[], target: Float64Array): Float64Array {
  const coefficients = new Float64Array(basis.length);
  let j = 0;
  for (; j + 3 < basis.length; j += 4) {
    const [v0, v1, v2, v3] = [basis[j], basis[j + 1], basis[j + 2], basis[j + 3]];
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let i = 0; i < target.length; i++) {
      const t = target[i];
      a += v0[i] * t;
      b += v1[i] * t;
      c += v2[i] * t;
      d += v3[i] * t;
    }
    coefficients.set([a, b, c, d], j);
  }
  for (; j < basis.length; j++) {
    const v = basis[j];
    let a = 0;
    for (let i = 0; i < target.length; i++) {
      a += v[i] * target[i];
    }
    coefficients[j] = a;
  }
  return coefficients;
}

/** target -= V coefficients */
function subtractCombination(
  basis: readonly (Float64Array | Float32Array)[],
  target: Float64Array,
  coefficients: Float64Array,
): void {
  let j = 0;
  for (; j + 3 < basis.length; j += 4) {
    const [v0, v1, v2, v3] = [basis[j], basis[j + 1], basis[j + 2], basis[j + 3]];
    const [a, b, c, d] = coefficients.subarray(j, j + 4);
    for (let i = 0; i < target.length; i++) {
      target[i] -= a * v0[i] + b * v1[i] + (c * v2[i] + d * v3[i]);
    }
  }
  for (; j < basis.length; j++) {
    const v = basis[j];
    const a = coefficients[j];
    for (let i = 0; i < target.length; i++) {
      target[i] -= a * v[i];
    }
  }
}
