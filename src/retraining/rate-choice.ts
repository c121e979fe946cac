/** The rate that retraining takes: what is best for a network that is far from trained undoes one that is. */
import { InputError } from '../errors.js';

/**
 * Rates that are tried, as parts of the default one. An MLP of 266,200 weights (MNIST, 98.4 %, loss 1.2e-4), 60 and 90 %
 * pruned by `gradual` in one epoch, had training losses of .0145 and .033 at the default rate, .0023 and .022 at a quarter,
 * .0009 and .028 at a thirteenth.
 */
const RATE_SHARES = [1, 1 / 4, 1 / 16] as const;

/** How many trainings a choice takes. */
export const RATES_TRIED = RATE_SHARES.length;

/** One rate that was tried. */
export interface TriedRate {
  learningRate: number;
  /** Mean loss over training examples; not finite where training diverges. */
  loss: number;
}

/**
 * Tries a few rates, and takes that of the lowest training loss.
 *
 * @param lossAt trains with a rate; not finite where that diverges
 * @returns the default rate where all diverge
 */
export async function chooseRate(
  defaultRate: number,
  lossAt: (learningRate: number) => Promise<number>,
): Promise<{ learningRate: number; tried: TriedRate[] }> {
  const tried: TriedRate[] = [];
  for (const share of RATE_SHARES) {
    const learningRate = share * defaultRate;
    tried.push({ learningRate, loss: await lossAt(learningRate) });
  }
  const best = tried
    .filter(({ loss }) => Number.isFinite(loss))
    .reduce<TriedRate | null>(
      (least, each) => (least === null || each.loss < least.loss ? each : least),
      null,
    );
  return { learningRate: best?.learningRate ?? defaultRate, tried };
}

/**
 * Null for the error of a training that diverges.
 *
 * @throws any other error
 */
export function asDiverged(error: unknown): null {
  if (error instanceof InputError && error.code === 'training/diverged') {
    return null;
  }
  throw error;
}
