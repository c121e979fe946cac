/** What every measurement starts from: a network on data, and Lanczos steps over it. */
import { networkExamples } from '../dist/analysis/problem.js';
import { readCheckpoint } from '../dist/checkpoint/registry.js';
import { prepareEngine } from '../dist/compute/backend.js';
import { readDataset } from '../dist/dataset/registry.js';
import { createNetwork } from '../dist/network/create-network.js';
import { estimateSpectrum } from '../dist/spectrum/slq.js';
import { createZooCheckpoint } from '../dist/training/zoo/registry.js';

/**
 * Opens the network and the first examples of a case.
 *
 * @param {import('./cases.js').BenchCase} benchCase
 * @param {number} examples training examples
 * @param {number | null} threads of the engine; null for one per core
 * @returns the problem of an analysis, and the checkpoint it comes from
 */
export async function openBenchProblem(benchCase, examples, scope, threads = null) {
  const { checkpoint, zoo, hidden = [], data, normalization } = benchCase;
  const engine = await prepareEngine('auto', threads);
  const dataset = await readDataset(data);
  const { shape, layout } = dataset.train;
  const source =
    checkpoint === null
      ? createZooCheckpoint(zoo, { exampleShape: shape, layout, classes: 10, hidden, seed: 1 }).checkpoint
      : await readCheckpoint(checkpoint);
  const network = scope.own(await createNetwork(source));
  const loss = 'cross-entropy';
  const options = { normalize: normalization, sample: 'first', seed: 0 };
  const train = networkExamples(dataset.train, network, loss, examples, options);
  const test = networkExamples(dataset.test, network, loss, 'all', options);
  const problem = { engine, network, loss, train, epsilonTrain: null, test };
  return { problem, checkpoint: source };
}

/** Takes so many Lanczos steps with an opened computation, whatever comes out. */
export function takeSteps({ curvature, lanczos, createVectors }, { probes, steps, seed = 0 }) {
  return estimateSpectrum(curvature, {
    seed,
    probes,
    minimumSteps: steps,
    maximumSteps: steps,
    reorthogonalization: lanczos.reorthogonalization,
    createVectors,
    addProbes: false,
    functionals: { none: () => 0 },
    decisive: 'none',
    tolerance: -1,
  });
}
