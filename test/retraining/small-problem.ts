import type { Executor } from '../../src/compute/executor.js';
import { tfjsExecutor } from '../../src/compute/tfjs-executor.js';
import { createNetwork } from '../../src/network/create-network.js';
import { createTrainableNetwork } from '../../src/network/trainable-network.js';
import type { RetrainingProblem } from '../../src/retraining/masked-training.js';
import { defaultSettings, type RetrainingSettings } from '../../src/retraining/settings.js';
import { createZooCheckpoint } from '../../src/training/zoo/registry.js';
import { separableData } from '../training/problems.js';

/** A perceptron with kernels [2, 8] and [8, 3] on 90 points, whose test split must not be looked at. */
export async function withProblem(
  use: (problem: RetrainingProblem, settings: RetrainingSettings) => Promise<void>,
  executor: Executor = tfjsExecutor,
): Promise<void> {
  const { checkpoint } = createZooCheckpoint('mlp', {
    exampleShape: [2],
    layout: 'flat',
    classes: 3,
    hidden: [8],
    seed: 4,
  });
  const plain = await createNetwork(checkpoint);
  const network = await createTrainableNetwork(checkpoint);
  const data = separableData();
  const untouched = new Proxy(data.test!, {
    get: () => {
      throw new Error('the test split was looked at');
    },
  });
  const examples = Int32Array.from({ length: data.train.count }, (_, index) => index);
  try {
    await use(
      {
        network,
        layers: plain.prunable,
        dimension: plain.dimension,
        data: { ...data, test: untouched },
        examples,
        executor,
        seed: 1,
        onSteps: () => {},
      },
      { ...defaultSettings(network, null), batchSize: 16, baselineBatchSize: 16, learningRate: 0.02 },
    );
  } finally {
    network.dispose();
    plain.dispose();
  }
}
