/**
 * How the time of a spectrum grows with examples, probes and Lanczos steps,
 * each doubled three times, and with weights, of 30 thousand to 25 million,
 * with the exponent fitted to the medians. `node bench/growth.js` alone, or part
 * of `npm run bench`; what 25 million weights take of memory is in memory.js.
 */
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { openComputation } from '../dist/analysis/open-computation.js';
import { resourceScope } from '../dist/analysis/resources.js';
import { analyzeDefaults } from '../dist/config.js';
import { silentProgress } from '../dist/progress.js';
import { cases } from './cases.js';
import { median } from './median.js';
import { openBenchProblem, takeSteps } from './problem.js';

const FACTORS = [1, 2, 4, 8];
const ROUNDS = 3;
/** The setting that is grown in one of its parts. */
const BASE = { examples: 1000, probes: 1, steps: 10 };

/** Perceptrons of 31,760, 266,200, 2,082,000 and 24,916,800 weights. */
const HIDDEN = [[40], [300, 100], [1500, 600], [5200, 4000]];
/** Of their Lanczos runs; few, for the largest takes seconds a step. */
const BY_WEIGHTS = { examples: 250, probes: 1, steps: 3 };

/** Slope of log time over the log of what grows, by least squares. */
function fittedExponent(sizes, times) {
  const x = sizes.map(Math.log);
  const y = times.map(Math.log);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  const covariance = x.reduce((sum, value, i) => sum + (value - meanX) * (y[i] - meanY), 0);
  return covariance / x.reduce((sum, value) => sum + (value - meanX) ** 2, 0);
}

async function timeSpectrum(benchCase, { examples, probes, steps }) {
  return resourceScope(async (scope) => {
    const { problem } = await openBenchProblem(benchCase, examples, scope);
    const opened = await openComputation(problem, analyzeDefaults, silentProgress, scope);
    await opened.curvature.apply(new Float64Array(problem.network.dimension).fill(1));
    const times = [];
    for (let round = 0; round < ROUNDS; round++) {
      const start = performance.now();
      await takeSteps(opened, { probes, steps, seed: round });
      times.push(performance.now() - start);
    }
    return { weights: problem.network.dimension, milliseconds: median(times) };
  });
}

async function printByWeights({ data, normalization }) {
  const table = new Table({
    head: ['weights', 'ms'],
    colAligns: ['right', 'right'],
    style: { head: [], border: [] },
  });
  const found = [];
  for (const hidden of HIDDEN) {
    const mlp = { checkpoint: null, zoo: 'mlp', hidden, data, normalization };
    found.push(await timeSpectrum(mlp, BY_WEIGHTS));
    const { weights, milliseconds } = found.at(-1);
    table.push([weights.toLocaleString('en'), milliseconds.toFixed(0)]);
  }
  const exponent = fittedExponent(
    found.map(({ weights }) => weights),
    found.map(({ milliseconds }) => milliseconds),
  );
  const { steps, examples } = BY_WEIGHTS;
  process.stdout.write(
    `\nTime of ${steps} Lanczos steps of perceptrons, ${examples} examples: exponent ${exponent.toFixed(2)}\n${table}\n`,
  );
}

/** Prints the table: times for each factor, and the exponent. */
export async function runGrowth() {
  // The fixture, on all of MNIST.
  const [fixture, { data }] = cases;
  const table = new Table({
    head: ['', ...FACTORS.map((factor) => `x${factor}`), 'exponent'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const part of Object.keys(BASE)) {
    const times = [];
    for (const factor of FACTORS) {
      const grown = { ...BASE, [part]: factor * BASE[part] };
      times.push((await timeSpectrum({ ...fixture, data }, grown)).milliseconds);
    }
    table.push([
      `${part} (${BASE[part]}, ..)`,
      ...times.map((time) => `${time.toFixed(0)} ms`),
      fittedExponent(FACTORS, times).toFixed(2),
    ]);
  }
  process.stdout.write(`\nTime of ${BASE.steps} Lanczos steps, ${fixture.name}, by what grows:\n${table}\n`);
  await printByWeights({ ...fixture, data });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runGrowth();
  process.exit();
}
