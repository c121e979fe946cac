import { compiledBySize } from '../compute/compile/compiled-by-size.js';
import type { CompiledProgram, PreparedProgram } from '../compute/executor.js';
import { type Evaluation, summarizeEvaluation } from '../network/evaluation.js';
import type { LossName } from '../network/loss.js';
import type { Network } from '../network/network.js';
import type { Batches } from './batches.js';
import { flatInputs } from './flat-weights.js';
import { evaluationProgram } from './loss-programs.js';

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
  dispose(): void;
}

/** @param program {@link evaluationProgram}, prepared by the executor of the batches */
export function lossEvaluator(network: Network, loss: LossName, program: PreparedProgram): LossEvaluator {
  const programs = compiledBySize<CompiledProgram>((batchSize) => program.compile(batchSize));
  return {
    evaluate: async (batches, weights, onExamples = () => {}) => {
      const { executor } = batches;
      const fixed = flatInputs(executor, network, 'w', weights);
      const losses = new Float64Array(batches.examples);
      const logits: Float32Array[] = [];
      const targets: Float32Array[] = [];
      let done = 0;
      try {
        await batches.forEach(async ({ size, x, y }) => {
          const compiled = await programs.of(size);
          const outputs = await compiled.run({ ...fixed, x, y });
          losses.set(executor.values(outputs.losses), done);
          logits.push(executor.values(outputs.logits));
          targets.push(executor.values(y));
          executor.release(outputs);
          done += size;
          onExamples(done);
        });
      } finally {
        executor.release(fixed);
      }
      return summarizeEvaluation(loss, losses, logits, targets, network.outputs, network.decidesClasses);
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
