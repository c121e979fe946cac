/** Whether a fall of accuracy on the same test examples is more than chance. */

/** Operations that the exact distribution of unequal differences may take; about 0.1 s. */
const EXACT_OPERATIONS = 1e8;

/** log(n!) for all n up to the given one. */
function logFactorials(n: number): Float64Array {
  const result = new Float64Array(n + 1);
  for (let k = 2; k <= n; k++) {
    result[k] = result[k - 1] + Math.log(k);
  }
  return result;
}

/** P(X >= least) for X binomial with n trials of probability 1/2. */
export function upperBinomialTail(n: number, least: number): number {
  if (least <= 0) {
    return 1;
  }
  const factorials = logFactorials(n);
  let sum = 0;
  // From the smallest terms on, so that they are not lost.
  for (let k = n; k >= least; k--) {
    sum += Math.exp(factorials[n] - factorials[k] - factorials[n - k] - n * Math.LN2);
  }
  return Math.min(1, sum);
}

/** P(S >= least) for S the sum of those of the given whole numbers that fair coins pick. */
function upperSubsetTail(numbers: readonly number[], least: number): number {
  const total = numbers.reduce((sum, number) => sum + number, 0);
  const probabilities = new Float64Array(total + 1);
  probabilities[0] = 1;
  let reached = 0;
  for (const number of numbers) {
    reached += number;
    for (let sum = reached; sum >= 0; sum--) {
      probabilities[sum] = (probabilities[sum] + (sum >= number ? probabilities[sum - number] : 0)) / 2;
    }
  }
  let tail = 0;
  for (let sum = total; sum >= least; sum--) {
    tail += probabilities[sum];
  }
  return Math.min(1, tail);
}

/** P(Z >= z) of the standard normal distribution, to 1.2e-7 of its value (Numerical Recipes, erfcc). */
function upperNormalTail(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + x / 2);
  const coefficients = [
    0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196,
    1.00002368, -1.26551223,
  ];
  const exponent = coefficients.reduce((sum, coefficient) => sum * t + coefficient, 0);
  const tail = (t * Math.exp(exponent - x * x)) / 2;
  return z >= 0 ? tail : 1 - tail;
}

/**
 * One-sided probability of a fall at least as large as the one seen, were a
 * rise of every example that changed as likely as a fall: Fisher's paired
 * randomisation test, exact. Where examples are right or wrong it is the exact
 * McNemar test, P(X >= b) of b + c fair coins, b those that were right and are
 * wrong now, c the reverse. Where an example has several decisions, their
 * changes count with it as a whole, as they depend on each other.
 *
 * With more examples and decisions than can be enumerated (1e8 operations) the
 * normal approximation, with continuity correction.
 *
 * @param changes change of the number of right decisions, of every example that changed; whole numbers but 0
 */
export function fallProbability(changes: readonly number[]): number {
  const sizes = changes.map(Math.abs);
  const fallen = changes.reduce((sum, change) => sum + Math.max(0, -change), 0);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (sizes.every((size) => size === sizes[0])) {
    return upperBinomialTail(sizes.length, total === 0 ? 0 : fallen / sizes[0]);
  }
  if (sizes.length * total <= EXACT_OPERATIONS) {
    return upperSubsetTail(sizes, fallen);
  }
  const deviation = Math.sqrt(sizes.reduce((sum, size) => sum + size * size, 0)) / 2;
  return upperNormalTail((fallen - 0.5 - total / 2) / deviation);
}
