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
  /** Batches after which a cosine that counts batches comes round, an even number; null: 2 `epochs`. */
  cosinePeriod?: number | null;
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

/** The warm-up of s steps, ended after s steps, as a share of the full rate: step t takes t / s. */
function batchUnitWarmUp(step: number, warmUpSteps: number): number {
  return warmUpSteps === 0 ? 1 : step / warmUpSteps;
}

/**
 * The rate where a scheduler of PyTorch is stepped after every batch, behind a warm-up that sets the rate anew, as in
 * the reference code of Zhang et al. 2024 (QiaozheZhang/Global-One-shot-Pruning, trainer.py and utils.py). Step t of a
 * warm-up of s steps takes t / s of the full rate, the first one nothing. The schedulers change the rate that they
 * find, by factors, so that what the warm-up leaves at step s goes on:
 *
 * - `cosine`: with f(t) = (1 + cos(pi t / T)) / 2 for a period of 2 T batches, each step of the warm-up is multiplied
 *   by f(t) / f(t - 1). It falls to 0 at T, 3 T, 5 T .. and is up to 4 times too high two batches later. From the first
 *   zero after the warm-up on the rate is f(t) of the full one; before, it is larger by the factor that the warm-up left.
 * - `multi-step`: a milestone in the warm-up counts for one batch.
 */
function batchUnitRate(step: number, warmUpSteps: number, options: ScheduleOptions): number {
  const { schedule, learningRate } = options;
  switch (schedule) {
    case 'constant':
      return learningRate * (step < warmUpSteps ? batchUnitWarmUp(step, warmUpSteps) : 1);
    case 'cosine':
      return (
        learningRate * batchUnitCosine(step, warmUpSteps, (options.cosinePeriod ?? 2 * options.epochs) / 2)
      );
    case 'multi-step': {
      const factor = (from: number, to: number): number =>
        options.decay ** options.milestones.filter((each) => each >= from && each <= to).length;
      return step <= warmUpSteps
        ? learningRate * batchUnitWarmUp(step, warmUpSteps) * factor(Math.max(1, step), step)
        : learningRate * factor(Math.max(1, warmUpSteps), step);
    }
  }
}

/** Share of the full rate at a step, as torch.optim.lr_scheduler.CosineAnnealingLR leaves it; T_max is `half`. */
function batchUnitCosine(step: number, warmUpSteps: number, half: number): number {
  const isZero = (t: number): boolean => t > 0 && (t - half) % (2 * half) === 0;
  if (isZero(step)) {
    return 0;
  }
  if (step <= warmUpSteps) {
    const share = batchUnitWarmUp(step, warmUpSteps);
    if (step === 0) {
      return share;
    }
    return isZero(step - 1)
      ? share + cosineFactor(step, half)
      : (share * cosineFactor(step, half)) / cosineFactor(step - 1, half);
  }
  const firstZero = half + 2 * half * Math.max(0, Math.ceil((warmUpSteps - half) / (2 * half)));
  if (warmUpSteps === 0 || step > firstZero) {
    return cosineFactor(step, half);
  }
  const left = batchUnitCosine(warmUpSteps, warmUpSteps, half) / cosineFactor(warmUpSteps, half);
  return left * cosineFactor(step, half);
}
