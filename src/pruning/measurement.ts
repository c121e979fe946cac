import type { Evaluation } from '../network/evaluation.js';
import { type MagnitudeRanking, pruneSmallest, removedCount } from './magnitude.js';

/** What an evaluation says of training examples. */
export type TrainMeasure = Pick<Evaluation, 'losses' | 'meanLoss'>;

/** What an evaluation says of test examples. */
export interface TestMeasure extends Pick<Evaluation, 'decisions' | 'decisionMargins'> {
  accuracy: number;
  correct: Uint8Array | Uint32Array;
}

/** Measures the one-shot pruned network at any pruned fraction; no fraction is measured twice. */
export interface PruningMeter {
  /** On the training examples; losses are NaN or infinite where they overflow. */
  train(prunedFraction: number): Promise<TrainMeasure>;
  /** On the test examples; null without any, or for regression. */
  test(prunedFraction: number): Promise<TestMeasure | null>;
}

/** Evaluates the network at the given flat prunable weights, on examples of its own. */
export type WeightsEvaluator = (weights: Float32Array) => Promise<Evaluation>;

/** What a {@link PruningMeter} works on. */
export interface PruningSetting {
  /** The trained weights, length D. */
  weights: Float32Array;
  ranking: MagnitudeRanking;
  /** On the examples the loss is measured on: those of the Hessian. */
  train: WeightsEvaluator;
  /** On the examples the accuracy is measured on. */
  test: WeightsEvaluator | null;
  /** Evaluations of the trained network on the same examples: those of nothing pruned. */
  dense: { train: Evaluation; test: Evaluation | null };
}

/** A meter for one network. */
export function createPruningMeter({ weights, ranking, train, test, dense }: PruningSetting): PruningMeter {
  const memoized = <T>(
    evaluate: WeightsEvaluator,
    ofDense: Evaluation,
    read: (evaluation: Evaluation) => T,
  ): ((prunedFraction: number) => Promise<T>) => {
    const known = new Map<number, Promise<T>>([[0, Promise.resolve(read(ofDense))]]);
    return (prunedFraction) => {
      const count = removedCount(weights, ranking, prunedFraction);
      const result = known.get(count) ?? evaluate(pruneSmallest(weights, ranking, count)).then(read);
      known.set(count, result);
      return result;
    };
  };
  const untested = async (): Promise<null> => null;
  return {
    train: memoized(train, dense.train, ({ losses, meanLoss }) => ({ losses, meanLoss })),
    test:
      test === null || dense.test === null
        ? untested
        : memoized(test, dense.test, ({ accuracy, correct, decisions, decisionMargins }) =>
            accuracy === null || correct === null ? null : { accuracy, correct, decisions, decisionMargins },
          ),
  };
}
