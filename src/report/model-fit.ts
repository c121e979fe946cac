/** Where the quadratic model of the loss is too far off for its predictions to be relied on. */

/** A prediction so many times too large or too small misleads. */
const FAR_OFF = 2;
/** Differences below this part of epsilon are of no account. */
const NO_ACCOUNT = 0.1;

/**
 * Whether a predicted loss increase is off by a factor of 2 or more, and by a tenth of epsilon.
 *
 * @param measured null where the loss overflows
 */
export function isFarOff(predicted: number, measured: number | null, epsilon: number): boolean {
  if (measured === null) {
    return true;
  }
  const [smaller, larger] = [Math.min(predicted, measured), Math.max(predicted, measured)];
  return larger - smaller > NO_ACCOUNT * epsilon && larger > FAR_OFF * Math.max(0, smaller);
}
