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
import { writeNumbers } from './torch-process.js';
import { BATCH, CLASSES, trainingCases } from './training-cases.js';
import { openTrainingStep, STEP_SETTING } from './training-step.js';

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
      ...STEP_SETTING,
    }),
  );
}

async function open(benchCase, folder, threads) {
  const { onnx } = await prepareEngine('auto', threads > 0 ? threads : null);
  const { network, batch, take } = await openTrainingStep(benchCase, onnx);
  writeProblem(folder, benchCase, network, batch);
  return take;
}

const [index, folder, threads] = process.argv.slice(2);
const take = await open(trainingCases[Number(index)], folder, Number(threads));
const answers = {
  ready: async () => ({}),
  losses: take,
  steps: async (count) => {
    const [start, cpu] = [performance.now(), process.cpuUsage()];
    await take(count);
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
