/** How the learning rate changes over a training run, as pure functions of the step. */

export interface ScheduleOptions {
  schedule: 'constant' | 'cosine' | 'multi-step';
  /** The full learning rate. */
  learningRate: number;
  epochs: number;
  stepsPerEpoch: number;
  /** Epochs over which the rate rises linearly to its full value; 0 for none. */
  warmUpEpochs: number;
  /** Epochs, counted from the start, after which `multi-step` multiplies the rate by `decay`. */
  milestones: readonly number[];
  decay: number;
}

/** Share of the full rate, `done` of `total` steps after the warm-up. */
function cosineFactor(done: number, total: number): number {
  return (1 + Math.cos((Math.PI * done) / total)) / 2;
}

/**
 * The learning rate of one step.
 *
 * During the warm-up of s steps, step t takes (t + 1) / s of the full rate, as
 * in Goyal et al. 2017. After it:
 *
 * - `constant`: the full rate;
 * - `cosine`: (1 + cos(pi t' / T')) / 2 of it, t' of T' steps after the
 *   warm-up (Loshchilov & Hutter 2017, without restarts);
 * - `multi-step`: the full rate times `decay` for each milestone that is over.
 *
 * @param step counted from 0 over the whole run, below `epochs * stepsPerEpoch`
 */
export function learningRateAt(step: number, options: ScheduleOptions): number {
  const { schedule, learningRate, epochs, stepsPerEpoch } = options;
  const totalSteps = epochs * stepsPerEpoch;
  const warmUpSteps = Math.min(totalSteps, Math.round(options.warmUpEpochs * stepsPerEpoch));
  if (step < warmUpSteps) {
    // The share first: it is at most 1, so rounding cannot lift the rate above the full one.
    return learningRate * ((step + 1) / warmUpSteps);
  }
  switch (schedule) {
    case 'constant':
      return learningRate;
    case 'cosine':
      return learningRate * cosineFactor(step - warmUpSteps, totalSteps - warmUpSteps);
    case 'multi-step': {
      const passed = options.milestones.filter((milestone) => step >= milestone * stepsPerEpoch).length;
      return learningRate * options.decay ** passed;
    }
  }
}
