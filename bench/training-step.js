/** A network's training step: what is timed against PyTorch's, and against what the machine attains. */
import { onnxExecutor } from '../dist/compute/compile/onnx-executor.js';
import { tfjsExecutor } from '../dist/compute/tfjs-executor.js';
import { createTrainableNetwork } from '../dist/network/trainable-network.js';
import { randomStream } from '../dist/random.js';
import { createStepEngine, initialState } from '../dist/training/step-engine.js';
import { sgdScalars } from '../dist/training/step-scalars.js';
import { createZooCheckpoint } from '../dist/training/zoo/registry.js';
import { BATCH, CLASSES } from './training-cases.js';

export const STEP_SETTING = { rate: 0.001, momentum: 0.9, l1: 1e-5 };

/** A batch of noise: how long a step takes does not depend on what it sees. */
function noise(exampleShape) {
  const random = randomStream(1, 'batch');
  const size = exampleShape.reduce((product, extent) => product * extent, BATCH);
  const targets = new Float32Array(BATCH * CLASSES);
  for (let example = 0; example < BATCH; example++) {
    targets[example * CLASSES + Math.floor(random.uniform() * CLASSES)] = 1;
  }
  return {
    size: BATCH,
    inputs: Float32Array.from({ length: size }, () => random.normal()),
    targets,
    dropoutMasks: [],
  };
}

/** An executor that tells what it prepared. */
function recording(executor, prepared) {
  return {
    ...executor,
    prepare: async (program) => {
      const result = await executor.prepare(program);
      prepared.set(program.name, result);
      return result;
    },
  };
}

/**
 * Prepares steps of SGD with momentum and an l1 penalty on kernels.
 *
 * @param {{ zoo: string, exampleShape: number[], hidden?: number[], width?: number }} training
 * @param onnx how programs are compiled; null for tfjs
 * @returns the network, the batch, what takes so many steps and resolves to their mean losses, how many are taken at
 *   once, and the cost of one where it is compiled
 */
export async function openTrainingStep({ zoo, exampleShape, hidden = [], width = 1 }, onnx) {
  const layout = exampleShape.length === 3 ? 'NHWC' : 'flat';
  const given = { exampleShape, layout, classes: CLASSES, hidden, width, seed: 1 };
  const network = await createTrainableNetwork(createZooCheckpoint(zoo, given).checkpoint);
  const batch = noise(exampleShape);
  const options = {
    loss: 'cross-entropy',
    labelSmoothing: 0,
    optimizer: 'sgd',
    nesterov: false,
    l1: true,
    l1On: 'kernels',
    l2: false,
    weightDecay: false,
    masked: false,
  };
  const setting = {
    network,
    inputShape: network.inputShape,
    options,
    state: initialState(network, options),
  };
  const prepared = new Map();
  const executor = recording(onnx === null ? tfjsExecutor : onnxExecutor(onnx), prepared);
  const engine = await createStepEngine(executor, setting, BATCH);
  const { rate, momentum, l1 } = STEP_SETTING;
  const scalars = sgdScalars(BATCH, rate, momentum, { l1, l2: 0, weightDecay: 0 });
  return {
    network,
    batch,
    cost: prepared.get('training-step').plans?.wholeCost(BATCH) ?? null,
    stepsAtOnce: engine.stepsAtOnce,
    take: async (count) => {
      const losses = [];
      while (losses.length < count) {
        const size = Math.min(engine.stepsAtOnce, count - losses.length);
        const results = await engine.take(Array(size).fill({ batch, scalars }));
        losses.push(...results.map((each) => each.losses.reduce((sum, loss) => sum + loss, 0) / BATCH));
      }
      return losses;
    },
    dispose: () => engine.dispose(),
  };
}
