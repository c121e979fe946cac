/**
 * Peak memory against `--memory-limit`: `node bench/memory.js` (after `npm run
 * build`), part of `npm run bench`. Every case runs in a process of its own;
 * the peak is the whole process's, Node and ONNX Runtime included.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { openComputation } from '../dist/analysis/open-computation.js';
import { networkExamples } from '../dist/analysis/problem.js';
import { resourceScope } from '../dist/analysis/resources.js';
import { readCheckpoint } from '../dist/checkpoint/registry.js';
import { prepareEngine } from '../dist/compute/backend.js';
import { analyzeDefaults } from '../dist/config.js';
import { readDataset } from '../dist/dataset/registry.js';
import { createNetwork } from '../dist/network/create-network.js';
import { silentProgress } from '../dist/progress.js';
import { estimateSpectrum } from '../dist/spectrum/slq.js';
import { createZooCheckpoint } from '../dist/training/zoo.js';
import { missing } from './cases.js';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const GIBIBYTE = 2 ** 30;

const cases = [
  {
    name: 'ResNet20',
    checkpoint: path('../../shared/models/resnet20'),
    data: path('../../shared/data/cifar-10-batches-bin'),
    normalization: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
    examples: 512,
    limits: [1],
    steps: 2,
  },
  {
    name: 'MLP 784-5200-4000-10',
    checkpoint: null,
    hidden: [5200, 4000],
    data: path('../fixtures/mnist-subset'),
    normalization: null,
    examples: 1000,
    limits: [3, 4],
    steps: 20,
  },
];

async function measure({ checkpoint, hidden, data, normalization, examples, steps }, limit, scope) {
  const engine = await prepareEngine('auto');
  const dataset = await readDataset(data);
  const { shape, layout } = dataset.train;
  const network = scope.own(
    await createNetwork(
      checkpoint === null
        ? createZooCheckpoint('mlp', { exampleShape: shape, layout, classes: 10, hidden, seed: 1 }).checkpoint
        : await readCheckpoint(checkpoint),
    ),
  );
  const loss = 'cross-entropy';
  const options = { normalize: normalization, sample: 'first', seed: 0 };
  const train = networkExamples(dataset.train, network, loss, examples, options);
  const problem = { engine, network, loss, train, allTraining: train, test: null };
  const config = { ...analyzeDefaults, probes: 1, steps, memoryLimitBytes: limit * GIBIBYTE };
  const opened = await openComputation(problem, config, silentProgress, scope);
  await opened.train.at(network.weights);
  await opened.lossGradient(network.weights);
  const start = performance.now();
  await estimateSpectrum(opened.curvature, {
    seed: 0,
    probes: 1,
    minimumSteps: steps,
    maximumSteps: steps,
    reorthogonalization: opened.lanczos.reorthogonalization,
    createVectors: opened.createVectors,
    functional: () => 0,
    tolerance: 0,
  });
  return {
    dimension: network.dimension,
    plan: opened.plan?.name ?? 'tfjs',
    reorthogonalization: opened.lanczos.reorthogonalization,
    seconds: (performance.now() - start) / 1000,
    peakBytes: 1024 * process.resourceUsage().maxRSS,
  };
}

/** Prints the table for the checkpoints that are there. */
export function runMemory() {
  const table = new Table({
    head: ['network', 'weights', 'examples', 'limit', 'peak', 'of limit', 'products', 'vectors', 'steps'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'left', 'left', 'right'],
    style: { head: [], border: [] },
  });
  const gibibytes = (bytes) => `${(bytes / GIBIBYTE).toFixed(2)} GiB`;
  cases.forEach((benchCase, index) => {
    const reason = missing(benchCase);
    for (const limit of reason === null ? benchCase.limits : []) {
      process.stderr.write(`measuring ${benchCase.name} at ${limit} GiB\n`);
      const { status, stdout } = spawnSync(
        process.execPath,
        [fileURLToPath(import.meta.url), String(index), String(limit)],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
      );
      if (status !== 0) {
        process.exitCode = 1;
        continue;
      }
      const result = JSON.parse(stdout);
      table.push([
        benchCase.name,
        result.dimension.toLocaleString('en'),
        benchCase.examples.toLocaleString('en'),
        `${limit} GiB`,
        gibibytes(result.peakBytes),
        `${Math.round((100 * result.peakBytes) / (limit * GIBIBYTE))} %`,
        result.plan,
        result.reorthogonalization === 'full' ? 'kept' : 'recent',
        `${benchCase.steps} in ${result.seconds.toFixed(1)} s`,
      ]);
    }
  });
  console.log(`\nPeak memory against --memory-limit\n${table}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [index, limit] = process.argv.slice(2);
  if (index === undefined) {
    runMemory();
  } else {
    const run = (scope) => measure(cases[Number(index)], Number(limit), scope);
    console.log(JSON.stringify(await resourceScope(run)));
  }
}
