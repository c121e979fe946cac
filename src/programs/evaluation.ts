import { compiledBySize } from '../compute/compile/compiled-by-size.js';
import type { CompiledProgram, PreparedProgram } from '../compute/executor.js';
import { type Evaluation, summarizeEvaluation } from '../network/evaluation.js';
import type { LossName } from '../network/loss.js';
import type { Network } from '../network/network.js';
import type { Batches } from './batches.js';
import { flatInputs } from './flat-weights.js';
import { evaluationProgram } from './loss-programs.js';
import type { ShardRange } from './shards.js';

/** What a forward pass gives, in the order of the examples. */
export interface ExampleOutputs {
  /** Loss of every example. */
  losses: Float32Array;
  /** Rows of as many numbers as the network has outputs. */
  logits: Float32Array;
}

/** Forward passes over batches. */
export interface LossEvaluator {
  /**
   * Loss and decision of every example.
   *
   * @param weights flat prunable weights, length D
   * @param onExamples called with the number of examples done so far
   */
  evaluate(
    batches: Batches,
    weights: Float32Array | Float64Array,
    onExamples?: (done: number) => void,
  ): Promise<Evaluation>;
  /**
   * Losses and logits alone.
   *
   * @param range shards that are passed
   */
  outputs(
    batches: Batches,
    weights: Float32Array | Float64Array,
    range: ShardRange,
    onExamples?: (done: number) => void,
  ): Promise<ExampleOutputs>;
  dispose(): void;
}

/** Parts one after the other. */
export function concatenated(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** @param program {@link evaluationProgram}, prepared by the executor of the batches */
export function lossEvaluator(network: Network, loss: LossName, program: PreparedProgram): LossEvaluator {
  const programs = compiledBySize<CompiledProgram>((batchSize) => program.compile(batchSize));
  /** Visits what a forward pass gives for every batch. */
  const forward = async (
    batches: Batches,
    weights: Float32Array | Float64Array,
    range: ShardRange | undefined,
    visit: (losses: Float32Array, logits: Float32Array, targets: Float32Array) => void,
  ): Promise<void> => {
    const { executor } = batches;
    const fixed = flatInputs(executor, network, 'w', weights);
    try {
      await batches.forEach(async ({ size, x, y }) => {
        const compiled = await programs.of(size);
        const outputs = await compiled.run({ ...fixed, x, y });
        const [losses, logits] = [executor.values(outputs.losses), executor.values(outputs.logits)];
        executor.release(outputs);
        visit(losses, logits, executor.values(y));
      }, range);
    } finally {
      executor.release(fixed);
    }
  };
  return {
    evaluate: async (batches, weights, onExamples = () => {}) => {
      const losses = new Float64Array(batches.examples);
      const logits: Float32Array[] = [];
      const targets: Float32Array[] = [];
      let done = 0;
      await forward(batches, weights, undefined, (batchLosses, batchLogits, batchTargets) => {
        losses.set(batchLosses, done);
        logits.push(batchLogits);
        targets.push(batchTargets);
        done += batchLosses.length;
        onExamples(done);
      });
      return summarizeEvaluation(loss, losses, logits, targets, network.outputs, network.decidesClasses);
    },
    outputs: async (batches, weights, range, onExamples = () => {}) => {
      const losses: Float32Array[] = [];
      const logits: Float32Array[] = [];
      let done = 0;
      await forward(batches, weights, range, (batchLosses, batchLogits) => {
        losses.push(batchLosses);
        logits.push(batchLogits);
        done += batchLosses.length;
        onExamples(done);
      });
      return { losses: concatenated(losses), logits: concatenated(logits) };
    },
    dispose: programs.dispose,
  };
}

/** {@link LossEvaluator.evaluate} by a program for this one call. */
export async function evaluate(
  network: Network,
  loss: LossName,
  batches: Batches,
  weights: Float32Array | Float64Array,
  onExamples?: (done: number) => void,
): Promise<Evaluation> {
  const program = await batches.executor.prepare(evaluationProgram(network, loss, batches.source));
  const evaluator = lossEvaluator(network, loss, program);
  try {
    return await evaluator.evaluate(batches, weights, onExamples);
  } finally {
    evaluator.dispose();
  }
}
