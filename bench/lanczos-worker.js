/**
 * prune-limit's side of the comparison of whole runs: `node bench/lanczos-worker.js INDEX STEPS` takes so many Lanczos
 * steps with one probe, checks included as in an analysis, and prints the coefficients as JSON.
 */
import { openComputation } from '../dist/analysis/open-computation.js';
import { resourceScope } from '../dist/analysis/resources.js';
import { analyzeDefaults } from '../dist/config.js';
import { silentProgress } from '../dist/progress.js';
import { peerCases } from './peer-cases.js';
import { openBenchProblem, takeSteps } from './problem.js';

const [index, steps] = process.argv.slice(2).map(Number);
const benchCase = peerCases[index];
await resourceScope(async (scope) => {
  const { problem } = await openBenchProblem(benchCase, benchCase.examples, scope);
  const config = { ...analyzeDefaults, probes: 1, steps };
  const opened = await openComputation({ ...problem, test: null }, config, silentProgress, scope);
  const { runs } = await takeSteps(opened, { probes: 1, steps });
  const [{ alpha, beta, reorthogonalization }] = runs;
  console.log(JSON.stringify({ alpha, beta, reorthogonalization }));
});
process.exit();
