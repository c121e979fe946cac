/** A compressed model beside the dense one that it was made from. */
import { openComputation } from './analysis/open-computation.js';
import { openProblem } from './analysis/problem.js';
import { resourceScope } from './analysis/resources.js';
import { prunedModelStages } from './analysis/stages.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { prepareBackend } from './compute/backend.js';
import type { AnalyzeConfig } from './config.js';
import { InputError } from './errors.js';
import { createNetwork } from './network/create-network.js';
import type { Network } from './network/network.js';
import { weightFilter } from './network/prunable.js';
import { asStage, type Progress } from './progress.js';
import { printable } from './report/text.js';

/** Weights that are counted, and zeros among them. */
export interface CountedZeros {
  weights: number;
  zeros: number;
}

/** How a network does on the examples of an analysis. */
export interface MeasuredPerformance {
  /** Mean over the training examples, NaN or infinite where the network overflows. */
  loss: number;
  /** On the test examples; null without any, or where labels are no classes. */
  accuracy: number | null;
}

type FlatWeights = Pick<Network, 'prunable' | 'weights'>;

/** A network's weights without the network. */
async function flatWeights(checkpoint: Checkpoint): Promise<FlatWeights> {
  await prepareBackend(checkpoint.format === 'onnx' ? 'wasm' : 'cpu');
  const network = await createNetwork(checkpoint, { keepFinalActivation: true });
  network.dispose();
  return { prunable: network.prunable, weights: network.weights };
}

/**
 * Zeros of a compressed network among the prunable weights of the dense one, matched by name.
 *
 * @param counts which weights are counted, by name
 * @param file of the compressed network, for messages
 * @throws InputError `gate/other-network` that names the first weight that one of them lacks or has in another shape
 */
export function countZeros(
  dense: Pick<FlatWeights, 'prunable'>,
  pruned: FlatWeights,
  counts: (name: string) => boolean,
  file: string,
): CountedZeros {
  const refused = (why: string): InputError =>
    new InputError(
      'gate/other-network',
      `--pruned ${printable(file)}: ${why}; name a model with the weights of the dense one, by the same names`,
    );
  const shown = (shape: readonly number[]): string => `[${shape.join(', ')}]`;
  const places = new Map(pruned.prunable.map((weight) => [weight.name, weight]));
  const result = { weights: 0, zeros: 0 };
  for (const { name, shape } of dense.prunable) {
    const place = places.get(name);
    places.delete(name);
    if (place === undefined) {
      throw refused(`has no weight ${printable(name)}`);
    }
    if (place.shape.length !== shape.length || place.shape.some((size, axis) => size !== shape[axis])) {
      throw refused(
        `its weight ${printable(name)} has shape ${shown(place.shape)}, that of the dense model ${shown(shape)}`,
      );
    }
    if (counts(name)) {
      const values = pruned.weights.subarray(place.offset, place.offset + place.size);
      result.weights += values.length;
      result.zeros += values.reduce((zeros, value) => zeros + (value === 0 ? 1 : 0), 0);
    }
  }
  const [added] = places.keys();
  if (added !== undefined) {
    throw refused(`has a weight ${printable(added)} that the dense model lacks`);
  }
  return result;
}

/**
 * Zeros of a compressed model among the prunable weights of its dense one.
 *
 * @throws InputError as `countZeros`, and where one of the networks cannot be built
 */
export function prunedZeros(
  dense: Checkpoint,
  pruned: { checkpoint: Checkpoint; file: string },
  { include, exclude }: Pick<AnalyzeConfig, 'include' | 'exclude'>,
  progress: Progress,
): Promise<CountedZeros> {
  return asStage(progress, prunedModelStages.weights, async () => {
    const denseWeights = await flatWeights(dense);
    const names = denseWeights.prunable.map(({ name }) => name);
    const counts = weightFilter(include, exclude, names);
    return countZeros(denseWeights, await flatWeights(pruned.checkpoint), counts, pruned.file);
  });
}

/**
 * Loss and accuracy of a compressed model on the examples that an analysis with these options takes.
 *
 * @returns `loss`: mean over the training examples, NaN or infinite where the network overflows; `accuracy`: of the
 *   test examples, null without any or where labels are no classes
 * @throws InputError when model, data and options do not fit together, or another loss comes out for the model
 */
export function measurePruned(
  config: AnalyzeConfig,
  checkpoint: Checkpoint,
  denseLoss: string,
  progress: Progress,
): Promise<MeasuredPerformance> {
  return measured({ ...config, include: [], exclude: [] }, checkpoint, null, progress, (loss) => {
    if (loss !== denseLoss) {
      throw new InputError(
        'gate/other-loss',
        `${printable(checkpoint.path)}: its loss is ${loss}, that of the dense model ${denseLoss}; name it with --loss for both`,
      );
    }
  });
}

/**
 * Loss and accuracy of a model with other prunable weights, as `measurePruned`.
 *
 * @param flat the prunable weights that `config` chooses, length D
 */
export function measureWeights(
  config: AnalyzeConfig,
  checkpoint: Checkpoint,
  flat: Float32Array,
  progress: Progress,
): Promise<MeasuredPerformance> {
  return measured(config, checkpoint, flat, progress, () => {});
}

function measured(
  config: AnalyzeConfig,
  checkpoint: Checkpoint,
  flat: Float32Array | null,
  progress: Progress,
  checkLoss: (loss: string) => void,
): Promise<MeasuredPerformance> {
  return asStage(progress, prunedModelStages.measuring, () =>
    resourceScope(async (scope) => {
      const undumped = { ...config, dumpGraph: null };
      const problem = await openProblem(undumped, checkpoint, progress, scope);
      checkLoss(problem.loss);
      const weights = flat ?? problem.network.weights;
      const { train, test } = await openComputation(problem, undumped, progress, scope);
      const { meanLoss } = await train.at(weights);
      return { loss: meanLoss, accuracy: test === null ? null : (await test.at(weights)).accuracy };
    }),
  );
}
