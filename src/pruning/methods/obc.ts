import { InputError } from '../../errors.js';
import type { PrunableWeight } from '../../network/network.js';
import { magnitude } from './magnitude.js';
import type { PruningMethod } from './method.js';
import { layerCurvature, pruneRows } from './optimal-brain-surgeon.js';

/** Most of rows x columns^3, summed over layers: hours on one core. */
const MOST_OPERATIONS = 1e13;

/**
 * Refuses layers that are not dense or would take absurdly long, by their shapes alone. A dense weight lies inputs
 * first or outputs first; which is known from its use only, so that here the cheaper of both counts.
 */
function requireAffordable(layers: readonly PrunableWeight[]): void {
  const convolution = layers.find(({ shape }) => shape.length !== 2);
  if (convolution !== undefined) {
    throw notDense(convolution);
  }
  requireOperations(layers.map((layer) => ({ layer, columns: Math.min(...layer.shape) })));
}

function requireOperations(sizes: readonly { layer: PrunableWeight; columns: number }[]): void {
  const costs = sizes.map(({ layer, columns }) => ({ layer, columns, cost: layer.size * columns ** 2 }));
  const total = costs.reduce((sum, { cost }) => sum + cost, 0);
  const [{ layer, columns }] = costs.slice().sort((a, b) => b.cost - a.cost);
  if (total > MOST_OPERATIONS) {
    throw new InputError(
      'prune/cost',
      `--method obc takes rows x columns^3 = ${total.toExponential(0)} operations, most in ${layer.name} with ${columns} inputs; ${MOST_OPERATIONS.toExponential(0)} are the most: leave it out with --exclude, or use --method compensated`,
    );
  }
}

function notDense({ name }: PrunableWeight): InputError {
  return new InputError(
    'prune/not-dense',
    `--method obc prunes dense layers, and ${name} is none; leave it out with --exclude, or use --method compensated`,
  );
}

/**
 * Optimal brain compression (Frantar & Alistarh, NeurIPS 2022) of dense layers: greedy OBS steps on the squared error of
 * each layer's outputs, H = 2 X'X / n of its inputs in the unpruned network. How many weights of each layer go is what
 * the global magnitude mask takes of it.
 *
 * @throws InputError `prune/not-dense` for other layers, `prune/cost` where it would take more than 1e13 operations
 */
export const obc: PruningMethod = async (problem, target) => {
  const { weights, layers, oracle } = problem;
  requireAffordable(layers);
  const { mask: shares } = await magnitude(problem, target);
  const inputs = await oracle.layerInputs(weights, { start: 0, end: oracle.examples });
  const whole = inputs.map((found, index) => {
    if (found === null) {
      throw notDense(layers[index]);
    }
    return found;
  });
  requireOperations(whole.map(({ columns }, index) => ({ layer: layers[index], columns })));
  const mask = new Uint8Array(weights.length).fill(1);
  const moved = weights.slice();
  whole.forEach(({ gram, columns, inputAxis }, index) => {
    const { offset, size } = layers[index];
    const rowCount = size / columns;
    const place = (row: number, q: number): number =>
      offset + (inputAxis === 0 ? q * rowCount + row : row * columns + q);
    const rows = Array.from({ length: rowCount }, (_, row) =>
      Float64Array.from({ length: columns }, (_, q) => weights[place(row, q)]),
    );
    const count = shares.subarray(offset, offset + size).reduce((sum, kept) => sum + 1 - kept, 0);
    if (count === 0) {
      return;
    }
    pruneRows(layerCurvature(gram, columns), rows, count).forEach(({ order, weights: found }, row) => {
      found.forEach((value, q) => {
        moved[place(row, q)] = value;
      });
      for (const q of order) {
        mask[place(row, q)] = 0;
      }
    });
  });
  return { mask, weights: moved };
};
