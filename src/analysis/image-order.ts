import type { ImageLayout } from '../dataset/dataset.js';
import { createBatches } from '../programs/batches.js';
import { evaluate } from '../programs/evaluation.js';
import { networkExamples, type PreparationOptions, type Problem } from './problem.js';

/** Forward passes over so few examples take no time that is noticed. */
const TRIED_EXAMPLES = 400;
const BATCH = 100;
/**
 * The other order is tried where accuracy is within this share of the way from guessing to 1: networks tell something
 * from images in the wrong order, too.
 */
const NEAR_CHANCE = 0.25;
/** Standard errors of the difference of two accuracies, at their largest (1/2 right), that show which one is better. */
const CLEAR_ERRORS = 3;

/** An order of images in which the network is right much more often than in the one that was taken. */
export interface BetterOrder {
  order: ImageLayout;
  /** Accuracies over `examples` training examples. */
  accuracy: number;
  takenAccuracy: number;
  examples: number;
}

/**
 * Whether images were put into the wrong order before an input whose shape does not tell the right one: where the
 * accuracy of a few hundred training examples is near that of guessing, the other order is tried.
 *
 * The network's tensors must not have been freed. Nothing is left on the backend.
 *
 * @returns null where no order was chosen, labels are no classes, or the other order is not clearly better
 */
export async function findBetterOrder(
  { dataset, network, loss, imageOrder }: Pick<Problem, 'dataset' | 'network' | 'loss' | 'imageOrder'>,
  options: PreparationOptions,
): Promise<BetterOrder | null> {
  const split = dataset.train;
  if (imageOrder === null || split === null || loss === 'mse') {
    return null;
  }
  const examples = Math.min(split.count, TRIED_EXAMPLES);
  const accuracyIn = async (inputOrder: ImageLayout): Promise<number> => {
    const source = networkExamples(split, network, loss, examples, { ...options, inputOrder });
    const batches = createBatches(source, network.outputs, { batchSize: BATCH, keepBytes: 0 });
    try {
      return (await evaluate(network, loss, batches, network.weights)).accuracy ?? 0;
    } finally {
      batches.dispose();
    }
  };
  const chance = 1 / (loss === 'cross-entropy' ? network.outputs : 2);
  const takenAccuracy = await accuracyIn(imageOrder);
  if (takenAccuracy >= chance + NEAR_CHANCE * (1 - chance)) {
    return null;
  }
  const order = imageOrder === 'NCHW' ? 'NHWC' : 'NCHW';
  const accuracy = await accuracyIn(order);
  const largestError = Math.sqrt(1 / (2 * examples));
  return accuracy - takenAccuracy > CLEAR_ERRORS * largestError
    ? { order, accuracy, takenAccuracy, examples }
    : null;
}
