/** What structured patterns do to the loss: by the quadratic model, one product each, and measured. */
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { axisOrderIn } from '../checkpoint/named-weights.js';
import type { LinearOperator } from '../curvature/linear-operator.js';
import type { Network } from '../network/network.js';
import type { Progress } from '../progress.js';
import { type LeftDense, type PatternKernel, prunePattern, readPattern } from '../pruning/patterns.js';
import { channelAxes } from '../pruning/sparsity.js';
import type { ExampleEvaluator } from './computation.js';
import { removalIncrease } from './removal-increase.js';
import { askedStages } from './stages.js';

/** A pattern, predicted and measured; kept weights stay as they are. */
export interface MeasuredPattern {
  name: string;
  prunedWeights: number;
  /** g'd + 1/2 d'Hd */
  predictedIncrease: number;
  /** Over the training examples; NaN or infinite where the loss overflows. */
  lossIncrease: number;
  trainAccuracy: number | null;
  testAccuracy: number | null;
  leftDense: LeftDense[];
}

/** The prunable kernels of a network with the axes of their channels. */
export function patternKernels(
  checkpoint: Checkpoint,
  { prunable, outputs }: Pick<Network, 'prunable' | 'outputs'>,
): PatternKernel[] {
  return prunable.map(({ name, checkpointName, shape, offset, size }, index) => {
    const axes = channelAxes({ order: axisOrderIn(checkpoint, { name: checkpointName, shape }), shape });
    return {
      ...{ name, shape, offset, size, axes },
      givesOutputs: index === prunable.length - 1 && axes !== null && shape[axes.output] === outputs,
    };
  });
}

/** What patterns are measured with. */
export interface PatternSetting {
  kernels: readonly PatternKernel[];
  weights: Float32Array;
  curvature: LinearOperator;
  /** g at the trained weights, length D. */
  gradient: Float64Array;
  train: Pick<ExampleEvaluator, 'at'>;
  test: Pick<ExampleEvaluator, 'at'> | null;
  denseLoss: number;
}

/** Prunes to each pattern once, predicts and measures it. */
export async function measurePatterns(
  { kernels, weights, curvature, gradient, train, test, denseLoss }: PatternSetting,
  names: readonly string[],
  progress: Progress,
): Promise<MeasuredPattern[]> {
  const stage = progress.stage(askedStages.patterns, names.length);
  const measured: MeasuredPattern[] = [];
  for (const text of names) {
    const pattern = readPattern(text);
    if (pattern === null) {
      throw new Error(`${text} is no pattern`);
    }
    const { pruned, prunedWeights, leftDense } = prunePattern(weights, kernels, pattern);
    const { meanLoss, accuracy } = await train.at(pruned);
    measured.push({
      name: pattern.name,
      prunedWeights,
      predictedIncrease: await removalIncrease(curvature, gradient, weights, pruned),
      lossIncrease: meanLoss - denseLoss,
      trainAccuracy: accuracy,
      testAccuracy: test === null ? null : (await test.at(pruned)).accuracy,
      leftDense,
    });
    stage.update(measured.length);
  }
  stage.end();
  return measured;
}
