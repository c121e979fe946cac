/** A network that is trained by choosing among weights that stay: its trainable numbers are their scores. */

import type { TrainableNetwork } from '../network/trainable-network.js';
import { customGrad, mul, step, sub, type Tensor, tensor } from '../tfjs-core.js';
import type { MaskedNetwork, RetrainingProblem } from './masked-training.js';

/** Weights of higher scores are in the network. */
const SCORE_THRESHOLD = 0.5;

/** 1 above the threshold, else 0; the gradient goes through as if it were the score itself. */
const chosen = customGrad((scores) => ({
  value: step(sub(scores as Tensor, SCORE_THRESHOLD)),
  gradFunc: (gradient: Tensor) => gradient,
}));

/**
 * The network of the weights w 1[p > 0.5] as one of its scores p, with the straight-through gradient
 * dL/dp = w dL/d(w 1[p > 0.5]) (Ramanujan et al. 2020; Sreenivasan et al. 2022). Everything but the scores stays
 * as in `frozen`; moving statistics move. A score that is held at 0 takes its weight out.
 *
 * @param frozen all weights of the network
 * @param scores flat, length D
 * @returns its weights have the names and shapes of those that masks are over; it owns tensors of the frozen ones, the
 *   given network stays the caller's
 */
export function scoredNetwork(
  { network, layers }: Pick<RetrainingProblem, 'network' | 'layers'>,
  frozen: MaskedNetwork,
  scores: Float32Array,
): TrainableNetwork {
  const places = new Map(layers.map((layer) => [layer.checkpointName, layer]));
  const scored = network.weights.flatMap((weight, index) => {
    const place = places.get(weight.name);
    return place === undefined ? [] : [{ weight, index, place }];
  });
  const scoreOf = new Map(scored.map(({ index }, position) => [index, position]));
  const still = frozen.weights.map((values, index) => tensor(values, [...network.weights[index].shape]));
  const effective = (given: readonly Tensor[]): Tensor[] =>
    still.map((weight, index) => {
      const position = scoreOf.get(index);
      return position === undefined ? weight : mul(weight, chosen(given[position]));
    });
  return {
    ...network,
    weights: scored.map(({ weight, place: { offset, size } }) => ({
      ...weight,
      values: scores.slice(offset, offset + size),
      prunable: true,
    })),
    statistics: network.statistics.map((statistic, index) => ({
      ...statistic,
      values: frozen.statistics[index],
    })),
    forward: (given, inputs, pass) => network.forward(effective(given), inputs, pass),
    logits: (given, statistics, inputs) => network.logits(effective(given), statistics, inputs),
    checkpoint: (given, statistics) =>
      network.checkpoint(
        frozen.weights.map((weights, index) => {
          const position = scoreOf.get(index);
          return position === undefined
            ? weights
            : weights.map((weight, i) => (given[position][i] > SCORE_THRESHOLD ? weight : 0));
        }),
        statistics,
      ),
    dispose: () => {
      for (const each of still) {
        each.dispose();
      }
    },
  };
}
