/**
 * Peak memory against `--memory-limit`: `node bench/memory.js` (after `npm run
 * build`), part of `npm run bench`. Every case runs in a process of its own;
 * the peak is the whole process's, Node and ONNX Runtime included.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { openComputation } from '../dist/analysis/open-computation.js';
import { resourceScope } from '../dist/analysis/resources.js';
import { analyzeDefaults } from '../dist/config.js';
import { silentProgress } from '../dist/progress.js';
import { missing } from './cases.js';
import { openBenchProblem, takeSteps } from './problem.js';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const GIBIBYTE = 2 ** 30;

const cases = [
  {
    name: 'ResNet20',
    checkpoint: path('../../shared/models/resnet20'),
    zoo: null,
    data: path('../../shared/data/cifar-10-batches-bin'),
    normalization: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
    examples: 512,
    limits: [1],
    steps: 2,
  },
  {
    name: 'MLP 784-5200-4000-10',
    checkpoint: null,
    zoo: 'mlp',
    hidden: [5200, 4000],
    data: path('../fixtures/mnist-subset'),
    normalization: null,
    examples: 1000,
    limits: [3, 4],
    steps: 20,
  },
];

async function measure(benchCase, limit, scope) {
  const { examples, steps } = benchCase;
  const { problem } = await openBenchProblem(benchCase, examples, scope);
  const { network } = problem;
  const config = { ...analyzeDefaults, probes: 1, steps, memoryLimitBytes: limit * GIBIBYTE };
  const opened = await openComputation(problem, config, silentProgress, scope);
  await opened.train.at(network.weights);
  await opened.lossGradient(network.weights);
  const start = performance.now();
  await takeSteps(opened, { probes: 1, steps });
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
  const notes = [];
  const gibibytes = (bytes) => `${(bytes / GIBIBYTE).toFixed(2)} GiB`;
  cases.forEach((benchCase, index) => {
    const reason = missing(benchCase);
    if (reason !== null) {
      notes.push(`${benchCase.name}: left out, ${reason}`);
    }
    for (const limit of reason === null ? benchCase.limits : []) {
      process.stderr.write(`measuring ${benchCase.name} at ${limit} GiB\n`);
      const { status, stdout } = spawnSync(
        process.execPath,
        [fileURLToPath(import.meta.url), String(index), String(limit)],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
      );
      if (status !== 0) {
        process.exitCode = 1;
        notes.push(`${benchCase.name} at ${limit} GiB: the measurement failed, see above`);
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
  console.log(['', 'Peak memory against --memory-limit', `${table}`, ...notes].join('\n'));
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
