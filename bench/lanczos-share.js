/**
 * Lanczos vector work as a share of a product: `node bench/lanczos-share.js`
 * (after `npm run build`), part of `npm run bench`. Products and vector work
 * are timed step by step in the same run, so that a machine busy with other
 * things slows both.
 */
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
import { LanczosRun } from '../dist/spectrum/lanczos.js';
import { cases, missing } from './cases.js';

const STEPS = [40, 70, 100, 150, 250];

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

async function share(operator, options) {
  const start = new Float64Array(operator.dim).map((_, i) => (Math.sin(i * i) < 0 ? -1 : 1));
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
  const run = new LanczosRun(
    timed,
    start.map((sign) => sign / Math.sqrt(operator.dim)),
    options,
  );
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

async function measure(benchCase, table, scope) {
  const engine = await prepareEngine('auto');
  const dataset = await readDataset(benchCase.data);
  const network = scope.own(await createNetwork(await readCheckpoint(benchCase.checkpoint)));
  const loss = 'cross-entropy';
  const options = { normalize: benchCase.normalization, sample: 'first', seed: 0 };
  const train = networkExamples(dataset.train, network, loss, benchCase.examples, options);
  const problem = { engine, network, loss, train, allTraining: train, test: null };
  const config = { ...analyzeDefaults, steps: STEPS.at(-1) };
  const opened = await openComputation(problem, config, silentProgress, scope);
  const { curvature } = opened;
  const chosen = opened.lanczos.reorthogonalization;
  for (const [name, lanczos] of [
    ['none', { reorthogonalization: 'none', createVectors: opened.createVectors }],
    ['full', { reorthogonalization: 'full', createVectors: opened.createVectors }],
  ]) {
    const label = name === chosen ? `${name} (chosen)` : name;
    table.push([benchCase.name, label, ...(await share(curvature, lanczos))]);
  }
}

/** Prints the table for the checkpoints that are there. */
export async function runLanczosShare() {
  const table = new Table({
    head: ['network', 'reorthogonalisation', ...STEPS.map((steps) => `mean of ${steps} steps`)],
    colAligns: ['left', 'left', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const benchCase of cases) {
    if (benchCase.checkpoint !== null && missing(benchCase) === null) {
      await resourceScope((scope) => measure(benchCase, table, scope));
    }
  }
  console.log('Lanczos vector work as a share of a product');
  console.log(table.toString());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runLanczosShare();
}
