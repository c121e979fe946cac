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
  /**
   * `batches`: the cosine's length `epochs` and the milestones count batches, as the reference code of Zhang et al. 2024
   * has it; see {@link batchUnitRate}. Default `epochs`.
   */
  scheduleUnit?: 'epochs' | 'batches';
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
  if (options.scheduleUnit === 'batches') {
    return batchUnitRate(step, warmUpSteps, options);
  }
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

/**
 * The rate where a schedule meant for epochs is stepped after every batch:
 *
 * - step t of a warm-up of s steps takes t / s of the full rate, the first one nothing;
 * - `cosine` swings between the full rate and 0 with a period of 2 `epochs` batches, and touches 0 in the warm-up, too;
 * - milestones of `multi-step` that fall into the warm-up have no effect, for it sets the rate anew.
 */
function batchUnitRate(step: number, warmUpSteps: number, options: ScheduleOptions): number {
  const { schedule, learningRate, epochs, milestones, decay } = options;
  if (step < warmUpSteps) {
    const isZero = schedule === 'cosine' && step % (2 * epochs) === epochs;
    return isZero ? 0 : learningRate * (step / warmUpSteps);
  }
  switch (schedule) {
    case 'constant':
      return learningRate;
    case 'cosine':
      return learningRate * cosineFactor(step, epochs);
    case 'multi-step':
      return learningRate * decay ** milestones.filter((each) => each >= warmUpSteps && step >= each).length;
  }
}
