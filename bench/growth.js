/**
 * How the time of a spectrum grows with examples, probes and Lanczos steps:
 * each doubled three times, with the exponent fitted to the medians.
 */
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

/** Slope of log time over log factor, by least squares. */
function fittedExponent(times) {
  const x = FACTORS.map(Math.log);
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
    return median(times);
  });
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
      times.push(await timeSpectrum({ ...fixture, data }, { ...BASE, [part]: factor * BASE[part] }));
    }
    table.push([
      `${part} (${BASE[part]}, ..)`,
      ...times.map((time) => `${time.toFixed(0)} ms`),
      fittedExponent(times).toFixed(2),
    ]);
  }
  process.stdout.write(`\nTime of ${BASE.steps} Lanczos steps, ${fixture.name}, by what grows:\n${table}\n`);
}
