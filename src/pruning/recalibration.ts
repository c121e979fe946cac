/** Batch-normalisation statistics of a pruned network, taken anew. */

import type { Checkpoint, LayersCheckpoint } from '../checkpoint/checkpoint.js';
import { InputError } from '../errors.js';
import type { ExampleSource } from '../network/example-source.js';
import { createTrainableNetwork, type TrainableNetwork } from '../network/trainable-network.js';
import { dispose, ones, scalar, type Tensor, tensor, zeros } from '../tfjs-core.js';

const BATCH = 128;

/** The statistics that a forward pass in training mode leaves. */
function passOf(network: TrainableNetwork, weights: readonly Tensor[], x: Tensor, old: Tensor[]): number[][] {
  const size = x.shape[0];
  const inverseBatch = scalar(1 / size);
  const dropoutMasks = network.dropouts.map(({ shape }) => ones([size, ...shape]));
  const { logits, statistics } = network.forward(weights, x, { statistics: old, dropoutMasks, inverseBatch });
  const values = statistics.map((moved) => [...moved.dataSync()]);
  dispose([logits, inverseBatch, ...dropoutMasks, ...statistics]);
  return values;
}

function requireLayersModel(checkpoint: Checkpoint): asserts checkpoint is LayersCheckpoint {
  if (checkpoint.format === 'onnx') {
    throw new InputError(
      'prune/batch-norm',
      `${checkpoint.path}: --recalibrate-batch-norm writes LayersModels only; leave it out for ONNX`,
    );
  }
}

function requireStatistics({ momenta = [] }: TrainableNetwork, { path }: Checkpoint): void {
  if (momenta.every((momentum) => momentum === 1)) {
    throw new InputError(
      'prune/batch-norm',
      `${path} has no batch normalisation whose statistics are trained; leave out --recalibrate-batch-norm`,
    );
  }
}

/**
 * Refuses, before long work, what `recalibrated` refuses.
 *
 * @throws InputError `prune/batch-norm` for ONNX models, and networks without batch normalisation that can be trained
 */
export async function requireRecalibration(checkpoint: Checkpoint): Promise<void> {
  requireLayersModel(checkpoint);
  const network = await createTrainableNetwork(checkpoint);
  network.dispose();
  requireStatistics(network, checkpoint);
}

/**
 * A copy of a checkpoint whose moving means and variances are those of examples. They come from forward passes in
 * training mode over batches of 128: every layer sees inputs normalised with the statistics of their batch. Means are
 * pooled over all examples, variances, biased, around the pooled mean.
 *
 * @throws InputError `prune/batch-norm` for ONNX models, and networks without batch normalisation that can be trained
 */
export async function recalibrated(
  checkpoint: Checkpoint,
  source: Pick<ExampleSource, 'count' | 'shape' | 'inputs'>,
): Promise<LayersCheckpoint> {
  requireLayersModel(checkpoint);
  const network = await createTrainableNetwork(checkpoint);
  const { statistics, momenta = [] } = network;
  const weights = network.weights.map(({ values, shape }) => tensor(values, [...shape]));
  const old = statistics.map(({ shape }) => zeros([...shape]));
  try {
    requireStatistics(network, checkpoint);
    // Of a statistic s the pass returns m s + (1 - m) b, m the layer's momentum; s is 0 here.
    const sums = statistics.map(({ values }) => new Float64Array(values.length));
    for (let start = 0; start < source.count; start += BATCH) {
      const end = Math.min(source.count, start + BATCH);
      const x = tensor(source.inputs(start, end), [end - start, ...source.shape]);
      const atZero = passOf(network, weights, x, old);
      x.dispose();
      for (let k = 0; k < sums.length; k += 2) {
        const [mean, variance] = [k, k + 1].map((i) => atZero[i].map((value) => value / (1 - momenta[i])));
        mean.forEach((value, channel) => {
          sums[k][channel] += ((end - start) / source.count) * value;
          sums[k + 1][channel] += ((end - start) / source.count) * (variance[channel] + value ** 2);
        });
      }
    }
    // A layer of momentum 1 never takes anything from a batch, and keeps what it has.
    const found = new Map(
      statistics.map(({ name, values }, k): [string, Float32Array] => [
        name,
        momenta[k] === 1
          ? values
          : Float32Array.from(sums[k], (value, i) =>
              k % 2 === 0 ? value : Math.max(0, value - sums[k - 1][i] ** 2),
            ),
      ]),
    );
    return {
      ...checkpoint,
      weights: checkpoint.weights.map((weight) => {
        const values = found.get(weight.name);
        return values === undefined ? weight : { ...weight, values, storage: null };
      }),
    };
  } finally {
    dispose([...weights, ...old]);
    network.dispose();
  }
}
