/**
 * Lanczos vector work as a share of a product: `node bench/lanczos-share.js`
 * (after `npm run build`), part of `npm run bench`. Products and vector work
 * are timed step by step in the same run, so that a machine busy with other
 * things slows both.
 */
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { openComputation } from '../dist/analysis/open-computation.js';
import { resourceScope } from '../dist/analysis/resources.js';
import { analyzeDefaults } from '../dist/config.js';
import { silentProgress } from '../dist/progress.js';
import { randomStream } from '../dist/random.js';
import { LanczosRun } from '../dist/spectrum/lanczos.js';
import { cases, missing } from './cases.js';
import { openBenchProblem } from './problem.js';

const STEPS = [40, 70, 100, 150, 250];

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

async function share(operator, options) {
  const random = randomStream(0, 'probe 0');
  const start = Float64Array.from({ length: operator.dim }, () => random.sign() / Math.sqrt(operator.dim));
  const products = [];
  const timed = {
    dim: operator.dim,
    apply: async (vector) => {
      const begin = performance.now();
      const product = await operator.apply(vector);
      products.push(performance.now() - begin);
      return product;
    },
  };
  const run = new LanczosRun(timed, start, options);
  const besides = [];
  while (run.steps < STEPS.at(-1) && !run.exhausted) {
    const begin = performance.now();
    await run.step();
    besides.push(performance.now() - begin - products.at(-1));
  }
  const product = median(products);
  return STEPS.map((steps) => {
    const taken = besides.slice(0, steps);
    const mean = taken.reduce((sum, time) => sum + time, 0) / taken.length;
    return `${mean.toFixed(2)} ms (${((100 * mean) / product).toFixed(0)} %)`;
  });
}

async function measure(benchCase, examples, table, scope) {
  const { problem } = await openBenchProblem(benchCase, examples, scope);
  const config = { ...analyzeDefaults, steps: STEPS.at(-1) };
  const opened = await openComputation(problem, config, silentProgress, scope);
  const { curvature } = opened;
  const chosen = opened.lanczos.reorthogonalization;
  for (const [name, lanczos] of [
    ['recent', { reorthogonalization: 'none', createVectors: opened.createVectors }],
    ['reorthogonalised', { reorthogonalization: 'full', createVectors: opened.createVectors }],
  ]) {
    const label = lanczos.reorthogonalization === chosen ? `${name} (chosen)` : name;
    const row = [benchCase.name, examples.toLocaleString('en'), label];
    table.push([...row, ...(await share(curvature, lanczos))]);
  }
}

/** Prints the table for the checkpoints that are there. */
export async function runLanczosShare() {
  const table = new Table({
    head: ['network', 'examples', 'vectors', ...STEPS.map((steps) => `${steps} steps`)],
    colAligns: ['left', 'right', 'left', ...STEPS.map(() => 'right')],
    style: { head: [], border: [] },
  });
  for (const benchCase of cases) {
    if (benchCase.checkpoint !== null && missing(benchCase) === null) {
      for (const examples of new Set([benchCase.examples, analyzeDefaults.examples])) {
        await resourceScope((scope) => measure(benchCase, examples, table, scope));
      }
    }
  }
  console.log('\nLanczos vector work of a step and its share of a product, means over the first steps');
  console.log(table.toString());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runLanczosShare();
}
