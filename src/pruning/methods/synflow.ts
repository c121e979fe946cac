import { InputError } from '../../errors.js';
import { masked, prunedBy, pruneLowest } from './mask.js';
import type { PruningMethod } from './method.js';

/** Rounds of scoring and pruning, as in the paper. */
const ROUNDS = 100;

/**
 * SynFlow (Tanaka et al., NeurIPS 2020): in 100 rounds, prunes to the kept share rho^(k/100) the lowest
 * |w| dR/d|w|, R the summed outputs for an input of ones with weights |w|. No data is seen.
 *
 * Biases and normalisation stay as trained.
 *
 * @throws InputError `prune/overflow` where the outputs overflow float32
 */
export const synflow: PruningMethod = async ({ weights, oracle }, { prunedWeights }) => {
  const dimension = weights.length;
  const keptShare = (dimension - prunedWeights) / dimension;
  let mask: Uint8Array = new Uint8Array(dimension).fill(1);
  for (let round = 1; round <= ROUNDS; round++) {
    const magnitudes = masked(weights, mask).map(Math.abs);
    const gradient = await oracle.summedOutputGradient(magnitudes);
    if (!gradient.every(Number.isFinite)) {
      throw new InputError(
        'prune/overflow',
        '--method synflow: the outputs of this network overflow with weights |w| and an input of ones; use another method, for example --method saliency',
      );
    }
    // What is pruned stays pruned.
    const scores = gradient.map((value, i) => (mask[i] === 0 ? -Infinity : magnitudes[i] * value));
    const count =
      round === ROUNDS ? prunedWeights : Math.round(dimension * (1 - keptShare ** (round / ROUNDS)));
    mask = pruneLowest(scores, count);
  }
  return prunedBy(weights, mask);
};
