/**
 * `npm run bench -- --peer`: Hessian-vector products of prune-limit against
 * PyTorch's double backward, same weights and data, runs taken in turn; then
 * whole Lanczos runs of both (peer-runs.js).
 *
 * - `--only TEXT`: networks whose name holds the text; may be given several times
 * - `--part products|runs`: one of the two
 * - `--steps N`, `--rounds N`: of whole runs
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as rest } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { openComputation } from '../dist/analysis/open-computation.js';
import { resourceScope } from '../dist/analysis/resources.js';
import { analyzeDefaults } from '../dist/config.js';
import { silentProgress } from '../dist/progress.js';
import { randomStream } from '../dist/random.js';
import { missing } from './cases.js';
import { median } from './median.js';
import { casesNamed } from './peer-cases.js';
import { writePeerProblem } from './peer-problem.js';
import { runPeerRuns } from './peer-runs.js';
import { openBenchProblem } from './problem.js';
import { pythonWithTorch, startTorch, TORCH_IS_MISSING, torchNotes } from './torch-process.js';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const script = path('peers/hessian_products.py');
const ROUNDS = 5;
/** Products that are timed in a run, in a row as an analysis asks for them, after one that is not. */
const REPEATS = 3;
/** Rest before every run, so that no side's threads still wait busily when the other's turn comes. */
const REST_MS = 150;

async function compare(benchCase, python) {
  return resourceScope(async (scope) => {
    const { problem, checkpoint } = await openBenchProblem(benchCase, benchCase.examples, scope);
    if (problem.engine.onnx === null) {
      throw new Error('onnxruntime-node does not load: there are no native products to compare');
    }
    const { network } = problem;
    const config = { ...analyzeDefaults, memoryLimitBytes: 4 * 2 ** 30 };
    const { curvature } = await openComputation(problem, config, silentProgress, scope);
    const random = randomStream(1, 'peer');
    const vector = Float64Array.from({ length: network.dimension }, () => random.normal());
    const folder = mkdtempSync(join(tmpdir(), 'prune-limit-peer-'));
    const peers = [];
    try {
      writePeerProblem(folder, benchCase, { problem, checkpoint }, vector, { repeats: REPEATS });
      for (let threads = 1; threads <= cpus().length; threads *= 2) {
        peers.push({ threads, ...startTorch(python, script, folder, threads), double: [], retained: [] });
      }
      const speeds = [];
      for (const peer of peers) {
        await rest(REST_MS);
        speeds.push(await peer.ask('speed'));
      }
      const expected = await peers[0].ask('value');
      const product = await curvature.apply(vector);
      let difference = 0;
      let scale = 0;
      for (const { name, offset, size } of network.prunable) {
        for (let i = 0; i < size; i++) {
          difference += (product[offset + i] - expected[name][i]) ** 2;
          scale += expected[name][i] ** 2;
        }
      }
      const ours = [];
      for (let round = 0; round < ROUNDS; round++) {
        await rest(REST_MS);
        await curvature.apply(vector);
        const start = performance.now();
        for (let repeat = 0; repeat < REPEATS; repeat++) {
          await curvature.apply(vector);
        }
        ours.push((performance.now() - start) / REPEATS);
        for (const peer of peers) {
          await rest(REST_MS);
          peer.double.push((await peer.ask('double')).milliseconds);
          await rest(REST_MS);
          peer.retained.push((await peer.ask('retained')).milliseconds);
        }
      }
      return {
        ours: median(ours),
        double: Math.min(...peers.map((peer) => median(peer.double))),
        retained: Math.min(...peers.map((peer) => median(peer.retained))),
        relativeDifference: Math.sqrt(difference / scale),
        torch: {
          version: speeds[0].version,
          gigaflops: Math.max(...speeds.map(({ gigaflops }) => gigaflops)),
        },
      };
    } finally {
      for (const peer of peers) {
        peer.stop();
      }
      rmSync(folder, { recursive: true });
    }
  });
}

/** Prints the comparisons, or how to get PyTorch. */
export async function runPeerComparison(argumentList) {
  const { values } = parseArgs({
    args: argumentList,
    options: {
      peer: { type: 'boolean' },
      only: { type: 'string', multiple: true, default: [] },
      part: { type: 'string', default: '' },
      steps: { type: 'string' },
      rounds: { type: 'string' },
    },
  });
  const python = pythonWithTorch();
  if (python === undefined) {
    console.log(TORCH_IS_MISSING);
    return;
  }
  const cases = casesNamed(values.only);
  if (values.part !== 'runs') {
    await compareProducts(cases, python);
  }
  if (values.part !== 'products') {
    const asked = Object.entries(values).filter(([name]) => name === 'steps' || name === 'rounds');
    await runPeerRuns(cases, python, Object.fromEntries(asked.map(([name, value]) => [name, Number(value)])));
  }
}

async function compareProducts(cases, python) {
  const table = new Table({
    head: [
      'network',
      'examples',
      'prune-limit\nms per HVP',
      'torch double\nbackward ms',
      'ratio',
      'torch retained\ngraph ms',
      'ratio',
      'relative\ndifference',
    ],
    style: { head: [], border: [] },
    colAligns: ['left', ...Array(7).fill('right')],
  });
  let library = null;
  for (const benchCase of cases) {
    const reason = missing(benchCase);
    if (reason !== null) {
      console.log(`${benchCase.name}: left out, ${reason}`);
      continue;
    }
    process.stderr.write(`measuring ${benchCase.name}`);
    const { ours, double, retained, relativeDifference, torch } = await compare(benchCase, python);
    library ??= torch;
    process.stderr.write(
      `: ${ours.toFixed(1)} ms, torch ${double.toFixed(1)} and ${retained.toFixed(1)} ms\n`,
    );
    table.push([
      benchCase.name,
      benchCase.examples.toLocaleString('en'),
      ours.toFixed(1),
      double.toFixed(1),
      `${(double / ours).toFixed(2)}x`,
      retained.toFixed(1),
      `${(retained / ours).toFixed(2)}x`,
      relativeDifference.toExponential(1),
    ]);
  }
  console.log(table.toString());
  console.log(
    `medians of ${ROUNDS} runs of ${REPEATS} products, taken in turn; PyTorch at the best of its thread settings`,
  );
  if (library !== null) {
    console.log(torchNotes(library).join('\n'));
  }
}
