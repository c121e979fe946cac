/**
 * Whole Lanczos runs of prune-limit against PyTorch with a kept graph, each in a process of its own that starts, reads
 * the network, computes and ends: seconds, CPU seconds and peak memory. Same network, examples, start vector and steps.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { resourceScope } from '../dist/analysis/resources.js';
import { COMPUTING_OPTIONS } from '../dist/cli/start.js';
import { randomStream } from '../dist/random.js';
import { tridiagonalEigen } from '../dist/spectrum/tridiagonal.js';
import { missing } from './cases.js';
import { median } from './median.js';
import { peerCases } from './peer-cases.js';
import { writePeerProblem } from './peer-problem.js';
import { openBenchProblem } from './problem.js';
import { torchEnvironment } from './torch-process.js';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
/** Steps of the run, and how often it is taken: what PyTorch takes long for is taken once. */
const RUNS = {
  mlp: { steps: 100, rounds: 3 },
  lenet5: { steps: 100, rounds: 3 },
  resnet20: { steps: 40, rounds: 1 },
};

/** Runs a command and resolves to what it printed and took. */
function used(python, folder, command, environment = {}) {
  const usage = join(folder, 'usage.json');
  const { status, stdout } = spawnSync(python, [path('peers/usage.py'), usage, ...command], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  });
  if (status !== 0) {
    throw new Error(`${command.join(' ')} failed, see above`);
  }
  return { ...JSON.parse(readFileSync(usage, 'utf8')), stdout };
}

/** Mean magnitude of the eigenvalues and the largest, by the Gauss rule of a run. */
function spectralNumbers({ alpha, beta }) {
  const { values, first } = tridiagonalEigen(alpha, beta);
  return {
    mean: values.reduce((sum, value, i) => sum + first[i] ** 2 * Math.abs(value), 0),
    largest: values[values.length - 1],
  };
}

/** The command that analyses the same network and examples in full, with so many products at most. */
function analyzeCommand({ checkpoint, data, normalization, examples }, steps) {
  const list = (values) => values.join(',');
  return [
    process.execPath,
    path('../bin/prune-limit.js'),
    'analyze',
    checkpoint,
    ...['--data', data, '--examples', String(examples), '--test-examples', String(examples)],
    ...['--sample', 'first'],
    ...['--probes', '1', '--steps', String(steps), '--format', 'json', '--quiet'],
    ...(normalization === null
      ? []
      : ['--normalize', `${list(normalization.mean)}/${list(normalization.std)}`]),
  ];
}

function medians(runs) {
  const of = (name) => median(runs.map((run) => run[name]));
  return { seconds: of('seconds'), cpuSeconds: of('cpuSeconds'), mebibytes: of('mebibytes') };
}

async function compare(benchCase, python, asked) {
  const { steps, rounds } = { ...RUNS[benchCase.network], ...asked };
  const folder = mkdtempSync(join(tmpdir(), 'prune-limit-peer-'));
  const command = [
    process.execPath,
    ...COMPUTING_OPTIONS,
    path('lanczos-worker.js'),
    String(peerCases.indexOf(benchCase)),
    String(steps),
  ];
  const ours = [];
  const analyses = [];
  const settings = [1, 2].filter((threads) => threads <= cpus().length);
  const peers = settings.map((threads) => ({ threads, runs: [] }));
  try {
    let answer = null;
    let theirs = null;
    for (let round = 0; round < rounds; round++) {
      ours.push(used(python, folder, command));
      if (answer === null) {
        answer = JSON.parse(ours[0].stdout);
        await resourceScope(async (scope) => {
          const opened = await openBenchProblem(benchCase, benchCase.examples, scope);
          const random = randomStream(0, 'probe 0');
          const start = Float64Array.from({ length: opened.problem.network.dimension }, () => random.sign());
          const orthogonal = answer.reorthogonalization === 'full';
          writePeerProblem(folder, benchCase, opened, start, { steps, orthogonal });
        });
      }
      for (const { threads, runs } of peers) {
        const script = [python, path('peers/lanczos_run.py'), folder, String(threads)];
        runs.push(used(python, folder, script, torchEnvironment(threads)));
        theirs ??= JSON.parse(runs[0].stdout);
      }
      if (benchCase.checkpoint !== null) {
        analyses.push(used(python, folder, analyzeCommand(benchCase, steps)));
      }
    }
    const [mine, other] = [spectralNumbers(answer), spectralNumbers(theirs)];
    const fastest = peers
      .map(({ threads, runs }) => ({ threads, ...medians(runs) }))
      .reduce((best, each) => (each.seconds < best.seconds ? each : best));
    return {
      steps,
      ours: medians(ours),
      torch: { ...fastest, cpuSeconds: Math.min(...peers.map(({ runs }) => medians(runs).cpuSeconds)) },
      analysis: analyses.length === 0 ? null : medians(analyses),
      vectors: answer.reorthogonalization === 'full' ? 'orthogonal' : 'recent',
      difference: Math.max(Math.abs(other.mean / mine.mean - 1), Math.abs(other.largest / mine.largest - 1)),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Prints what whole runs take on both sides.
 *
 * @param {{ steps?: number, rounds?: number }} asked in place of what suits a network
 */
export async function runPeerRuns(cases, python, asked) {
  const sides = ['s', 'CPU s', 'MiB'];
  const table = new Table({
    head: [
      'network',
      'examples',
      'steps, vectors',
      ...sides.map((unit) => `prune-limit\n${unit}`),
      ...sides.map((unit) => `torch\n${unit}`),
      'ratio',
      'of CPU',
      'of MiB',
      'relative\ndifference',
      'analyze\ns',
      'analyze\nCPU s',
    ],
    colAligns: ['left', 'right', 'left', ...Array(12).fill('right')],
    style: { head: [], border: [] },
  });
  for (const benchCase of cases) {
    if (missing(benchCase) !== null) {
      continue;
    }
    process.stderr.write(`whole runs of ${benchCase.name}\n`);
    const { steps, vectors, ours, torch, analysis, difference } = await compare(benchCase, python, asked);
    const figures = ({ seconds, cpuSeconds, mebibytes }) => [
      seconds.toFixed(1),
      cpuSeconds.toFixed(1),
      mebibytes.toFixed(0),
    ];
    process.stderr.write(`${figures(ours)} and torch ${figures(torch)}: s, CPU s, MiB\n`);
    const ratio = (name) => `${(torch[name] / ours[name]).toFixed(2)}x`;
    table.push([
      benchCase.name,
      benchCase.examples.toLocaleString('en'),
      `${steps}, ${vectors}`,
      ...figures(ours),
      ...figures(torch),
      ...['seconds', 'cpuSeconds', 'mebibytes'].map(ratio),
      difference.toExponential(1),
      ...(analysis === null ? ['', ''] : figures(analysis).slice(0, 2)),
    ]);
  }
  console.log(
    `\nWhole runs: a process that starts, reads, takes the Lanczos steps of one probe and ends\n${table}`,
  );
  console.log(
    'medians of runs taken in turn (ResNet20: one, unless asked for); PyTorch with a kept graph and float64 vectors, at the best of its thread settings; difference: the larger of those of mean |eigenvalue| and of the largest; analyze: the whole command with at most as many products for its spectrum, slice, curve and as many test examples besides',
  );
}
