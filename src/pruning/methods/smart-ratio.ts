import { InputError } from '../../errors.js';
import type { PrunableWeight } from '../../network/network.js';
import { permutation, randomStream } from '../../random.js';
import { prunedBy } from './mask.js';
import type { PruningMethod } from './method.js';

/** The share of linear layers that is kept (Su et al., NeurIPS 2020). */
const LINEAR_SHARE = 0.3;

/**
 * How many weights Smart-Ratio keeps of each layer (Su et al., NeurIPS 2020): linear layers .3, convolutions in
 * proportion to c_l = (L - l + 1)^2 + (L - l + 1) for layer l of L, with what exceeds a layer carried forward.
 * Without convolutions, where the rule says nothing, all layers but the last are in proportion to c_l.
 *
 * @param kept how many weights are kept in all
 * @returns one count a layer, rounded down
 * @throws InputError `prune/smart-ratio` where .3 of the linear layers is more than all that is kept
 */
export function smartRatioCounts(
  layers: readonly Pick<PrunableWeight, 'shape' | 'size'>[],
  kept: number,
): number[] {
  const total = layers.length;
  const convolutions = layers.map(({ shape }) => shape.length > 2);
  const falling = convolutions.some(Boolean) ? convolutions : layers.map((_, index) => index < total - 1);
  const weightOf = (index: number): number => (total - index) ** 2 + (total - index);
  let linear = 0;
  let scale = 0;
  layers.forEach(({ size }, index) => {
    linear += falling[index] ? 0 : LINEAR_SHARE * size;
    scale += falling[index] ? size * weightOf(index) : 0;
  });
  if (linear > kept || scale === 0) {
    throw new InputError(
      'prune/smart-ratio',
      '--method smart-ratio keeps .3 of the linear layers, which is more than all that is to be kept; prune less, or use another method',
    );
  }
  const gamma = (kept - linear) / scale;
  let surplus = 0;
  return layers.map(({ size }, index) => {
    if (!falling[index]) {
      return Math.floor(LINEAR_SHARE * size + 1e-9);
    }
    const wanted = gamma * weightOf(index) * size + surplus;
    surplus = Math.max(0, wanted - size);
    return Math.floor(Math.min(size, wanted) + 1e-9);
  });
}

/** Keeps random weights, so many of each layer as `smartRatioCounts` says; a few fewer than asked, as it rounds down. */
export const smartRatio: PruningMethod = async ({ weights, layers }, { prunedWeights, seed }) => {
  const counts = smartRatioCounts(layers, weights.length - prunedWeights);
  const random = randomStream(seed, 'prune/smart-ratio');
  const mask = new Uint8Array(weights.length);
  layers.forEach(({ offset, size }, layer) => {
    for (const index of permutation(size, random).subarray(0, counts[layer])) {
      mask[offset + index] = 1;
    }
  });
  return prunedBy(weights, mask);
};
