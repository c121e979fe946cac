/** Loss and accuracy of a network that training has changed anywhere. */
import { numbered } from '../compute/tensor-program.js';
import type { Split } from '../dataset/dataset.js';
import { classLabels } from '../dataset/labels.js';
import { prepareStored } from '../dataset/stored.js';
import { evaluateLogits } from '../training/evaluation.js';
import { createForward } from '../training/forward.js';
import type { MaskedNetwork, RetrainingProblem } from './masked-training.js';

/** Which examples are measured, by index in their split. */
export interface MeasuredExamples {
  train: Int32Array;
  /** Left out: all. */
  test?: Int32Array;
}

/** Measures networks in use: batch normalisation with its moving averages, no dropout. */
export interface NetworkMeter {
  /** Mean loss over the training examples, and accuracy over the test examples; null where there are none. */
  measure(
    network: Pick<MaskedNetwork, 'weights' | 'statistics'>,
  ): Promise<{ loss: number; accuracy: number | null }>;
  dispose(): void;
}

/** A meter whose owner disposes of it. */
export async function openNetworkMeter(
  { network, data, executor }: Pick<RetrainingProblem, 'network' | 'data' | 'executor'>,
  examples: MeasuredExamples,
): Promise<NetworkMeter> {
  const forward = await createForward(executor, network, data.inputShape);
  const tensors = (
    prefix: string,
    arrays: readonly Float32Array[],
    shapes: readonly { shape: readonly number[] }[],
  ) =>
    numbered(
      prefix,
      arrays.map((values, index) => executor.tensor(values, shapes[index].shape)),
    );
  return {
    measure: async ({ weights, statistics }) => {
      const state = {
        ...tensors('w', weights, network.weights),
        ...tensors('s', statistics, network.statistics),
      };
      const evaluated = (split: Split, order?: Int32Array) => {
        const prepared = prepareStored(split, { ...data, ...(order && { order }) });
        return evaluateLogits(
          prepared,
          classLabels(prepared.labels, data.classes),
          data.classes,
          (inputs, size) => forward.logits(state, inputs, size),
        );
      };
      try {
        const { loss } = await evaluated(data.train, examples.train);
        return { loss, accuracy: data.test && (await evaluated(data.test, examples.test)).accuracy };
      } finally {
        executor.release(state);
      }
    },
    dispose: () => forward.dispose(),
  };
}
