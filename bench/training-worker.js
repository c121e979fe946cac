/**
 * prune-limit's side of the training comparison, in a process of its own so
 * that its peak memory is its own: `node bench/training-worker.js FOLDER
 * THREADS`. Builds the network of a case, writes it and a batch into the folder for
 * the other side, then answers the commands of bench/peers/training_step.py.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { prepareEngine } from '../dist/compute/backend.js';
import { onnxExecutor } from '../dist/compute/compile/onnx-executor.js';
import { tfjsExecutor } from '../dist/compute/tfjs-executor.js';
import { createTrainableNetwork } from '../dist/network/trainable-network.js';
import { randomStream } from '../dist/random.js';
import { createStepEngine, initialState } from '../dist/training/step-engine.js';
import { sgdScalars } from '../dist/training/step-scalars.js';
import { createZooCheckpoint } from '../dist/training/zoo/registry.js';
import { writeNumbers } from './torch-process.js';
import { BATCH, CLASSES, trainingCases } from './training-cases.js';

const RATE = 0.001;
const MOMENTUM = 0.9;
const L1 = 1e-5;

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

function writeProblem(folder, { architecture, exampleShape }, network, batch) {
  const weights = [...network.weights, ...network.statistics].map(({ name, shape, values }, index) => {
    writeNumbers(folder, `weight-${index}`, values);
    return { name, shape, file: `weight-${index}` };
  });
  writeNumbers(folder, 'inputs', batch.inputs);
  writeNumbers(folder, 'targets', batch.targets);
  writeFileSync(
    join(folder, 'spec.json'),
    JSON.stringify({
      network: architecture,
      layers: network.weights
        .filter(({ prunable }) => prunable)
        .map(({ name }) => name.replace('/kernel', '')),
      weights,
      inputShape: [BATCH, ...exampleShape],
      targetShape: [BATCH, CLASSES],
      rate: RATE,
      momentum: MOMENTUM,
      l1: L1,
    }),
  );
}

async function open(benchCase, folder, threads) {
  const { zoo, hidden = [], width = 1, exampleShape } = benchCase;
  const { onnx } = await prepareEngine('auto');
  const layout = exampleShape.length === 3 ? 'NHWC' : 'flat';
  const given = { exampleShape, layout, classes: CLASSES, hidden, width, seed: 1 };
  const network = await createTrainableNetwork(createZooCheckpoint(zoo, given).checkpoint);
  const batch = noise(exampleShape);
  writeProblem(folder, benchCase, network, batch);
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
  const executor =
    onnx === null ? tfjsExecutor : onnxExecutor({ ...onnx, threads: threads > 0 ? threads : onnx.threads });
  const engine = await createStepEngine(executor, setting, BATCH);
  const scalars = sgdScalars(BATCH, RATE, MOMENTUM, { l1: L1, l2: 0, weightDecay: 0 });
  return async () => {
    const { losses } = await engine.step(batch, scalars);
    return losses.reduce((sum, loss) => sum + loss, 0) / BATCH;
  };
}

const [index, folder, threads] = process.argv.slice(2);
const step = await open(trainingCases[Number(index)], folder, Number(threads));
const answers = {
  ready: async () => ({}),
  losses: async (count) => {
    const losses = [];
    for (let i = 0; i < count; i++) {
      losses.push(await step());
    }
    return losses;
  },
  steps: async (count) => {
    const [start, cpu] = [performance.now(), process.cpuUsage()];
    for (let i = 0; i < count; i++) {
      await step();
    }
    const milliseconds = (performance.now() - start) / count;
    const { user, system } = process.cpuUsage(cpu);
    return { milliseconds, cpuMilliseconds: (user + system) / 1000 / count };
  },
  memory: async () => ({ mebibytes: process.resourceUsage().maxRSS / 1024 }),
};
for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...given] = line.split(' ');
  console.log(JSON.stringify(await answers[command](...given.map(Number))));
}
process.exit();
