/**
 * Conjugate gradients for A x = b, A symmetric and positive definite, from x = 0 (Hestenes & Stiefel 1952), with a
 * diagonal preconditioner.
 *
 * @param apply A v
 * @param iterations at most so many products; fewer where the residual is 1e-10 of b
 * @param scales M^-1, a positive diagonal near to that of A^-1 up to a factor; null: 1
 * @returns x; a direction of no positive curvature ends it early
 */
export async function conjugateGradients(
  apply: (vector: Float64Array) => Promise<Float64Array>,
  right: Float64Array,
  iterations: number,
  scales: Float64Array | null = null,
): Promise<Float64Array> {
  const dot = (a: Float64Array, b: Float64Array): number => {
    let sum = 0;
    for (let i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  };
  const x = new Float64Array(right.length);
  const residual = right.slice();
  const scaled = (): Float64Array =>
    scales === null ? residual : residual.map((value, i) => scales[i] * value);
  const direction = scaled().slice();
  let squared = dot(residual, direction);
  const enough = squared * 1e-20;
  for (let iteration = 0; iteration < iterations && squared > enough; iteration++) {
    const product = await apply(direction);
    const curvature = dot(direction, product);
    if (!(curvature > 0)) {
      break;
    }
    const step = squared / curvature;
    for (let i = 0; i < x.length; i++) {
      x[i] += step * direction[i];
      residual[i] -= step * product[i];
    }
    const steepest = scaled();
    const next = dot(residual, steepest);
    const ratio = next / squared;
    for (let i = 0; i < x.length; i++) {
      direction[i] = steepest[i] + ratio * direction[i];
    }
    squared = next;
  }
  return x;
}
