import { observeDenseInputs } from '../compute/dense-inputs.js';
import { InputError } from '../errors.js';
import type { ExampleSource } from '../network/example-source.js';
import { type Network, weightTensors } from '../network/network.js';
import type { LayerInputs } from '../pruning/methods/method.js';
import { dispose, tensor } from '../tfjs-core.js';

const BATCH = 64;
/** Most inputs of a layer: H takes 512 MiB then. */
const MOST_COLUMNS = 8192;

/** Adds 2 x x' of every row to a matrix, its lower triangle. */
function addRows(gram: Float64Array, values: Float32Array, columns: number): void {
  for (let start = 0; start < values.length; start += columns) {
    for (let i = 0; i < columns; i++) {
      const factor = 2 * values[start + i];
      if (factor !== 0) {
        for (let j = 0, at = i * columns; j <= i; j++, at++) {
          gram[at] += factor * values[start + j];
        }
      }
    }
  }
}

/**
 * Second moments of the inputs of a network's dense layers over examples, by tfjs.
 *
 * @param weights flat, length `network.dimension`
 * @throws InputError `prune/memory` for layers of more than 8192 inputs
 * @returns for each of `network.prunable`, H = 2 X'X / n, n the rows of X; null where a weight is not that of a dense layer
 */
export function layerInputMoments(
  network: Network,
  source: ExampleSource,
  weights: Float32Array,
): (LayerInputs | null)[] {
  const tensors = weightTensors(network, weights);
  const found = new Map<number, LayerInputs & { rows: number }>();
  const others = new Set<number>();
  try {
    for (let start = 0; start < source.count; start += BATCH) {
      const end = Math.min(source.count, start + BATCH);
      const x = tensor(source.inputs(start, end), [end - start, ...source.shape]);
      const program = (): void => network.logits(tensors, x).dispose();
      const seen = observeDenseInputs(program, tensors, ({ weight, inputAxis, columns, values }) => {
        if (columns > MOST_COLUMNS) {
          throw new InputError(
            'prune/memory',
            `${network.prunable[weight].name} has ${columns} inputs, more than the ${MOST_COLUMNS} whose second moments are computed; leave it out with --exclude`,
          );
        }
        const known = found.get(weight) ?? {
          columns,
          inputAxis,
          rows: 0,
          gram: new Float64Array(columns * columns),
        };
        if (known.inputAxis !== inputAxis) {
          others.add(weight);
          return;
        }
        addRows(known.gram, values, columns);
        known.rows += values.length / columns;
        found.set(weight, known);
      });
      x.dispose();
      for (const weight of seen) {
        others.add(weight);
      }
    }
  } finally {
    dispose(tensors);
  }
  return network.prunable.map((_, index) => {
    const moments = found.get(index);
    if (moments === undefined || others.has(index)) {
      return null;
    }
    const { gram, columns, inputAxis, rows } = moments;
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j <= i; j++) {
        gram[i * columns + j] /= rows;
        gram[j * columns + i] = gram[i * columns + j];
      }
    }
    return { gram, columns, inputAxis };
  });
}
