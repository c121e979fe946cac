/**
 * How far the newest Lanczos vectors are from orthogonal to the earlier ones,
 * without looking at them: the recurrence of Simon (1984, "The Lanczos
 * algorithm with partial reorthogonalization", equation 2.1).
 *
 * The overlaps `omega[j][k] = q_j'q_k` follow the three-term recurrence of the
 * vectors, driven by the rounding errors of a step. Those are dominated by the
 * operator's products - in float32 a billion times those of float64 - and are
 * not known beforehand. As the overlaps are linear in them, every
 * reorthogonalisation, which measures the overlaps, also calibrates them.
 *
 * Two successive vectors are reorthogonalised each time: the recurrence would
 * bring the overlaps of the one before back.
 */

/** Overlaps above this never stay: at it the coefficients are accurate to float32 rounding, its square. */
const LARGEST_OVERLAP = Math.sqrt(2 ** -24);
/** The first vectors are always reorthogonalised; it costs little and shows the rounding errors. */
const FIRST_STEPS = 8;
/**
 * Share of that at which to act: predictions of largest overlaps are too small
 * by up to ten times where eigenvalues come in clusters.
 */
const MARGIN = 0.3;

/** The overlaps of one Lanczos run, as far as they are known. */
export interface OrthogonalityMonitor {
  /**
   * Estimates the overlaps of the vector that step `steps` (from 1) has
   * produced with all earlier ones.
   *
   * @param alpha diagonal entries of all steps so far
   * @param beta couplings of all steps so far, the newest vector's norm last
   * @param scale of the operator
   * @returns whether the newest vector must be reorthogonalised
   */
  advance(alpha: readonly number[], beta: readonly number[], scale: number): boolean;
  /**
   * The newest vector was reorthogonalised.
   *
   * @param measured its largest overlap found before
   */
  reset(measured: number): void;
  /** Whether a pass that removed overlaps as large as `measured` leaves some well above the rounding errors. */
  needsSecondPass(measured: number): boolean;
  /** All that it knows, for a monitor that goes on from there; `monitorNumbers` of them. */
  numbers(): Float64Array;
}

/** How many numbers a monitor knows after so many steps. */
export function monitorNumbers(steps: number): number {
  return 3 + steps + (steps + 1);
}

/**
 * A monitor for one Lanczos run; deterministic, O(steps) work a step.
 *
 * @param known `numbers` of a monitor to go on from, after `steps` steps; left out: of a run that begins
 */
export function monitorOrthogonality(
  known = Float64Array.of(2 ** -52, 1, 0, 1),
  steps = 0,
): OrthogonalityMonitor {
  let [rounding, relativeScale] = known;
  // Of two successive vectors that are reorthogonalised, the first was.
  let secondIsDue = known[2] === 1;
  let previous = known.slice(3, 3 + steps);
  let current = known.slice(3 + steps);
  // Semi-orthogonality to the square root of a step's rounding errors keeps the coefficients accurate to them (Simon 1984).
  const threshold = (): number => MARGIN * Math.min(LARGEST_OVERLAP, Math.sqrt(rounding * relativeScale));
  return {
    advance: (alpha, beta, scale) => {
      const j = alpha.length - 1;
      const next = new Float64Array(j + 2);
      const norm = beta[j];
      relativeScale = scale / norm;
      const noise = rounding * relativeScale;
      let largest = 0;
      for (let k = 0; k < j; k++) {
        const sum =
          beta[k] * current[k + 1] +
          (alpha[k] - alpha[j]) * current[k] +
          (k > 0 ? beta[k - 1] * current[k - 1] : 0) -
          beta[j - 1] * previous[k];
        next[k] = sum / norm;
        next[k] += next[k] < 0 ? -noise : noise;
        largest = Math.max(largest, Math.abs(next[k]));
      }
      next[j] = noise;
      next[j + 1] = 1;
      previous = current;
      current = next;
      return j > 0 && (j < FIRST_STEPS || secondIsDue || !(largest < threshold()));
    },
    reset: (measured) => {
      const count = current.length - 1;
      let predicted = rounding * relativeScale;
      for (let k = 0; k < count; k++) {
        predicted = Math.max(predicted, Math.abs(current[k]));
      }
      // Never less than before: a small one may be luck.
      rounding *= Math.max(1, measured / predicted);
      rounding = Math.min(rounding, LARGEST_OVERLAP);
      current.fill(rounding, 0, count);
      secondIsDue = !secondIsDue;
    },
    needsSecondPass: (measured) => measured * threshold() > 10 * rounding * relativeScale,
    numbers: () => Float64Array.of(rounding, relativeScale, secondIsDue ? 1 : 0, ...previous, ...current),
  };
}
