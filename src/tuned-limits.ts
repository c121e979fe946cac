/** How far a network can be pruned whose kept weights are retrained, by retraining it. */
import type { Problem } from './analysis/problem.js';
import { askedStages } from './analysis/stages.js';
import { type AnalysisState, resultKey } from './analysis/state/analysis-state.js';
import type { ResultForm } from './analysis/state/kept-evaluation.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { prepareEngine } from './compute/backend.js';
import type { AnalyzeConfig } from './config.js';
import { selectExamples } from './dataset/selection.js';
import type { TrainableNetwork } from './network/trainable-network.js';
import type { Progress } from './progress.js';
import { openRetraining, openTrainable } from './prune-training.js';
import { prunedCount } from './pruning/magnitude.js';
import { gradual } from './retraining/gradual.js';
import { type MaskedNetwork, unmasked } from './retraining/masked-training.js';
import { openNetworkMeter } from './retraining/network-meter.js';
import { asDiverged, chooseRate, RATES_TRIED } from './retraining/rate-choice.js';
import { searchTunedLimits, type TunedLimits, type TunedRule, tunedGrid } from './retraining/tuned-search.js';

/** Trainings for each rule at most, some of them again where another has been a better start, and four of the second seed. */
const MOST_TRIES = 16;

/** A fall of accuracy is a multiple of one example; its rounding is far less. */
const ROUNDING = 1e-9;

const OPTION = '--tune';

/**
 * Refuses, before long work, what `measureTuned` does not take.
 *
 * @throws InputError for networks and losses that training does not take
 */
export async function requireTunable(problem: Problem, checkpoint: Checkpoint): Promise<void> {
  (await openTrainable(problem, checkpoint, OPTION)).dispose();
}

/** What retraining is held against. */
export interface TuningSetting {
  config: AnalyzeConfig;
  problem: Problem;
  checkpoint: Checkpoint;
  epsilon: number;
  denseLoss: number;
  /** On the test examples; null where there are none. */
  denseAccuracy: number | null;
  /** Pruned fractions that pass without retraining; null where accuracy is not measured. */
  atOnce: { loss: number; accuracy: number | null };
  /** Keeps trained networks; null: they are not kept. */
  state: Pick<AnalysisState, 'recall'> | null;
}

/**
 * Searches the largest pruned fraction at which the loss on the examples of
 * the analysis, and the test accuracy, come back within their tolerances when
 * the kept weights are trained on the whole training split, with a mask that
 * grows. The test split is only measured: what training begins with and where
 * it goes hangs on training examples alone, and so does the rate: that of the
 * lowest training loss of three, where half of what is kept at once is pruned.
 */
export async function measureTuned(setting: TuningSetting, progress: Progress): Promise<TunedLimits> {
  const { problem, checkpoint, config } = setting;
  // An analysis by compiled programs gives the memory of tfjs back, which training is built and compared with.
  await prepareEngine(config.backend, config.threads);
  const network = await openTrainable(problem, checkpoint, OPTION);
  try {
    return await searchWith(network, setting, progress);
  } finally {
    network.dispose();
  }
}

async function searchWith(
  network: TrainableNetwork,
  setting: TuningSetting,
  progress: Progress,
): Promise<TunedLimits> {
  const { config, problem, checkpoint, epsilon, denseLoss, denseAccuracy, atOnce, state } = setting;
  const started = performance.now();
  const rules: TunedRule[] = [
    { passes: ({ lossIncrease }) => lossIncrease <= epsilon, passingFraction: atOnce.loss },
  ];
  if (denseAccuracy !== null && atOnce.accuracy !== null) {
    const least = denseAccuracy - config.accuracyTolerancePoints / 100 - ROUNDING;
    rules.push({
      passes: ({ accuracy }) => accuracy !== null && accuracy >= least,
      passingFraction: atOnce.accuracy,
    });
  }
  const stage = progress.stage(askedStages.tuned, RATES_TRIED + MOST_TRIES * rules.length, { atMost: true });
  let trainings = 0;
  const { retraining, settings } = await openRetraining(
    { problem: config, tuneExamples: 'all', augment: null, learningRate: null },
    problem,
    checkpoint,
    network,
    (done, total) => stage.update(trainings + done / total),
    progress.note,
  );
  const chosen = (available: number, count: number | 'all'): Int32Array =>
    selectExamples(available, { count, sample: config.sample, seed: config.seed });
  const { train, test } = retraining.data;
  const meter = await openNetworkMeter(retraining, {
    train: chosen(train.count, config.examples),
    ...(test && { test: chosen(test.count, config.testExamples) }),
  });
  const { dimension } = retraining;
  const form = maskedNetworkForm(unmasked(retraining));
  const trained = async (
    prunedFraction: number,
    { seed, learningRate, start }: { seed: number; learningRate: number; start: MaskedNetwork | null },
  ): Promise<MaskedNetwork | null> => {
    const from = start ?? unmasked(retraining);
    const how = { ...settings, learningRate };
    // Where nearly all is pruned, half of the rest may be less than a weight.
    const prunedWeights = Math.min(prunedCount(prunedFraction, dimension), dimension - 1);
    const amount = { prunedWeights, epochs: config.tuneEpochs };
    const compute = () => gradual({ ...retraining, seed }, how, from, amount).catch(asDiverged);
    const key = resultKey(`retrained, ${JSON.stringify({ ...how, ...amount, seed })}`, [
      ...from.weights,
      ...from.statistics,
      Float32Array.from(from.mask),
    ]);
    return state === null ? compute() : state.recall(key, form, compute);
  };
  try {
    const { learningRate, tried } = await chooseRate(settings.learningRate, async (rate) => {
      const network = await trained(1 - (1 - atOnce.loss) / 2, {
        ...{ seed: config.seed, learningRate: rate, start: null },
      });
      trainings++;
      return network === null ? Number.NaN : (await meter.measure(network)).loss;
    });
    const found = await searchTunedLimits<MaskedNetwork | null>({
      rules,
      grid: tunedGrid(dimension),
      seeds: [config.seed, config.seed + 1],
      mostTries: MOST_TRIES,
      onTry: (done) => {
        trainings = RATES_TRIED + done;
      },
      retrain: async (prunedFraction, seed, start) => {
        const made = await trained(prunedFraction, { seed, learningRate, start });
        if (made === null) {
          return { network: null, lossIncrease: Number.NaN, accuracy: null };
        }
        const { loss, accuracy } = await meter.measure(made);
        return { network: made, lossIncrease: loss - denseLoss, accuracy };
      },
    });
    return { ...found, learningRate, triedRates: tried, seconds: (performance.now() - started) / 1000 };
  } finally {
    meter.dispose();
    stage.end();
  }
}

/** A trained network as bytes, of the sizes of another; a training that diverged leaves none, and is carried out again. */
export function maskedNetworkForm(like: MaskedNetwork): ResultForm<MaskedNetwork | null> {
  const arrays = [...like.weights, ...like.statistics];
  const size = arrays.reduce((sum, { byteLength }) => sum + byteLength, like.mask.length);
  return {
    encode: (network) =>
      network === null
        ? []
        : [...network.weights, ...network.statistics, network.mask].map(
            ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
          ),
    decode: (bytes) => {
      if (bytes.length === 0 || bytes.length !== size) {
        return null;
      }
      let offset = 0;
      const floats = arrays.map(({ byteLength }) => {
        offset += byteLength;
        return new Float32Array(new Uint8Array(bytes.subarray(offset - byteLength, offset)).buffer);
      });
      return {
        weights: floats.slice(0, like.weights.length),
        statistics: floats.slice(like.weights.length),
        mask: new Uint8Array(bytes.subarray(offset)),
      };
    },
  };
}
