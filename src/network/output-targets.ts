import type { LossName } from './loss.js';

/**
 * The targets of which a network's own outputs are the best answer: the loss is smallest, and its gradient 0, where the
 * outputs are these.
 *
 * @param logits rows of `width` outputs, as the loss takes them
 * @returns as long: softmaxes of the rows (`cross-entropy`), sigmoids (`binary-cross-entropy`), or the outputs (`mse`)
 */
export function outputTargets(loss: LossName, logits: Float32Array, width: number): Float32Array {
  if (loss === 'mse') {
    return logits;
  }
  if (loss === 'binary-cross-entropy') {
    return logits.map((logit) => 1 / (1 + Math.exp(-logit)));
  }
  const targets = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += width) {
    const row = logits.subarray(start, start + width);
    const largest = row.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY);
    const powers = Float64Array.from(row, (logit) => Math.exp(logit - largest));
    const total = powers.reduce((sum, power) => sum + power, 0);
    targets.set(
      powers.map((power) => power / total),
      start,
    );
  }
  return targets;
}
