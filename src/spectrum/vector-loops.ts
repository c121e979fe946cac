/**
 * Float64 arithmetic on vectors that may be stored in float32. Loops are
 * unrolled by hand where they are run in every step: V8 does not, and they
 * take half the time so.
 */

/** A vector as it is stored; arithmetic on it is in float64. */
export type LanczosVector = Float32Array | Float64Array;

/** x'y */
export function dot(x: LanczosVector, y: LanczosVector): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  const whole = x.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    a += x[i] * y[i];
    b += x[i + 1] * y[i + 1];
    c += x[i + 2] * y[i + 2];
    d += x[i + 3] * y[i + 3];
  }
  for (let i = whole; i < x.length; i++) {
    a += x[i] * y[i];
  }
  return a + b + (c + d);
}

/** target -= factor * vector, and afterwards its inner product with `other` and its squared norm, in one pass over memory. */
export function subtractAndMeasure(
  target: Float64Array,
  vector: LanczosVector,
  factor: number,
  other: LanczosVector,
): { inner: number; squaredNorm: number } {
  let inner = 0;
  let inner1 = 0;
  let inner2 = 0;
  let inner3 = 0;
  let squares = 0;
  let squares1 = 0;
  let squares2 = 0;
  let squares3 = 0;
  const { length } = target;
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    const t0 = target[i] - factor * vector[i];
    const t1 = target[i + 1] - factor * vector[i + 1];
    const t2 = target[i + 2] - factor * vector[i + 2];
    const t3 = target[i + 3] - factor * vector[i + 3];
    target[i] = t0;
    target[i + 1] = t1;
    target[i + 2] = t2;
    target[i + 3] = t3;
    inner += t0 * other[i];
    inner1 += t1 * other[i + 1];
    inner2 += t2 * other[i + 2];
    inner3 += t3 * other[i + 3];
    squares += t0 * t0;
    squares1 += t1 * t1;
    squares2 += t2 * t2;
    squares3 += t3 * t3;
  }
  for (let i = whole; i < length; i++) {
    target[i] -= factor * vector[i];
    inner += target[i] * other[i];
    squares += target[i] * target[i];
  }
  return {
    inner: inner + inner1 + (inner2 + inner3),
    squaredNorm: squares + squares1 + (squares2 + squares3),
  };
}

/** Norm of `from - factor * vector`. */
export function differenceNorm(from: LanczosVector, vector: LanczosVector, factor: number): number {
  let squares = 0;
  for (let i = 0; i < from.length; i++) {
    const difference = from[i] - factor * vector[i];
    squares += difference * difference;
  }
  return Math.sqrt(squares);
}

/** target = (from - factor * vector) * by, and its squared norm as it is stored. */
export function subtractAndScale(
  target: LanczosVector,
  from: LanczosVector,
  vector: LanczosVector,
  factor: number,
  by: number,
): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  const { length } = target;
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    target[i] = (from[i] - factor * vector[i]) * by;
    target[i + 1] = (from[i + 1] - factor * vector[i + 1]) * by;
    target[i + 2] = (from[i + 2] - factor * vector[i + 2]) * by;
    target[i + 3] = (from[i + 3] - factor * vector[i + 3]) * by;
    a += target[i] * target[i];
    b += target[i + 1] * target[i + 1];
    c += target[i + 2] * target[i + 2];
    d += target[i + 3] * target[i + 3];
  }
  for (let i = whole; i < length; i++) {
    target[i] = (from[i] - factor * vector[i]) * by;
    a += target[i] * target[i];
  }
  return a + b + (c + d);
}

/** vector *= factor */
export function scale(vector: LanczosVector, factor: number): void {
  for (let i = 0; i < vector.length; i++) {
    vector[i] *= factor;
  }
}

/** Basis vectors that the loops below take at a time. */
export const LOOP_VECTORS = 4;

/** V'target; four basis vectors at a time, so that the target is read a quarter as often. */
export function innerProducts(basis: readonly LanczosVector[], target: LanczosVector): Float64Array {
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
export function subtractCombination(
  basis: readonly LanczosVector[],
  target: LanczosVector,
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

/** The largest magnitude of some values; 0 of none. */
export function largestMagnitude(values: Float64Array): number {
  let largest = 0;
  for (const value of values) {
    largest = Math.max(largest, Math.abs(value));
  }
  return largest;
}
