import { compiledBySize } from '../compute/compile/compiled-by-size.js';
import type { NativeProgram } from '../compute/compile/native-session.js';
import type { TracedProgram } from '../compute/compile/program.js';
import { type Evaluation, summarizeEvaluation } from '../network/evaluation.js';
import type { NativeBatches, NativeSetting } from './native-batches.js';
import { accumulate, flatInputs, scaled } from './native-programs.js';
import type { LossGradient } from './products.js';

/** A forward pass compiled to native code. */
export interface NativeEvaluator {
  evaluate(
    batches: NativeBatches,
    weights: Float32Array | Float64Array,
    onExamples?: (done: number) => void,
  ): Promise<Evaluation>;
  dispose(): void;
}

/**
 * Loss and output of every example, by native programs.
 *
 * @param program `evaluate` of {@link LossPrograms}
 */
export function nativeEvaluator(setting: NativeSetting, program: TracedProgram): NativeEvaluator {
  const { network, loss } = setting;
  const programs = compiledBySize<NativeProgram>((batchSize) => program.compile(batchSize, setting.options));
  return {
    evaluate: async (batches, weights, onExamples = () => {}) => {
      const fixed = flatInputs(setting, 'w', weights);
      const losses = new Float64Array(batches.examples);
      const logits: Float32Array[] = [];
      const targets: Float32Array[] = [];
      let done = 0;
      await batches.forEach(async ({ size, x, y }) => {
        const compiled = await programs.of(size);
        const outputs = await compiled.run({ ...fixed, x, y });
        losses.set(outputs.losses.data as Float32Array, done);
        logits.push(outputs.logits.data as Float32Array);
        targets.push(y.data as Float32Array);
        done += size;
        onExamples(done);
      });
      return summarizeEvaluation(loss, losses, logits, targets, network.outputs, network.decidesClasses);
    },
    dispose: programs.dispose,
  };
}

/**
 * Mean loss over all batches and its gradient, by a native program that is
 * compiled for this one call: its buffers are as large as a product's.
 *
 * @param program `gradient` of {@link LossPrograms}
 * @throws NotCompilableError
 */
export async function nativeLossGradient(
  setting: NativeSetting,
  program: TracedProgram,
  batches: NativeBatches,
  weights: Float32Array | Float64Array,
): Promise<LossGradient> {
  const programs = compiledBySize<NativeProgram>((batchSize) => program.compile(batchSize, setting.options));
  try {
    const fixed = flatInputs(setting, 'w', weights);
    const total = new Float64Array(setting.network.dimension);
    let summedLoss = 0;
    await batches.forEach(async ({ size, x, y }) => {
      const compiled = await programs.of(size);
      const outputs = await compiled.run({ ...fixed, x, y });
      summedLoss += (outputs.loss.data as Float32Array)[0];
      accumulate(setting, outputs, total);
    });
    return { loss: summedLoss / batches.examples, gradient: scaled(total, 1 / batches.examples) };
  } finally {
    programs.dispose();
  }
}
