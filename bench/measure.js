/**
 * Measures one case in a process of its own, so that its peak memory is its
 * own, and prints the figures as JSON: `node bench/measure.js INDEX`.
 */
import { openComputation } from '../dist/analysis/open-computation.js';
import { resourceScope } from '../dist/analysis/resources.js';
import { analyzeDefaults } from '../dist/config.js';
import { measureProductCost } from '../dist/curvature/product-cost.js';
import { gaussianWidthLimit } from '../dist/geometry/gaussian-width.js';
import { silentProgress } from '../dist/progress.js';
import { continuousRadiusSquared, rankByMagnitude } from '../dist/pruning/magnitude.js';
import { createPruningMeter } from '../dist/pruning/measurement.js';
import { randomStream } from '../dist/random.js';
import { estimateSpectrum } from '../dist/spectrum/slq.js';
import { cases } from './cases.js';
import { median } from './median.js';
import { openBenchProblem } from './problem.js';

const PRODUCTS = 7;
const LANCZOS_STEPS = 40;
const EVALUATIONS = 5;
/** A tolerance that suits no network in particular: times do not depend on it. */
const EPSILON = 0.01;

async function milliseconds(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function measure(benchCase, scope) {
  const { problem } = await openBenchProblem(benchCase, benchCase.examples, scope);
  const { engine, network, loss, train, test } = problem;
  const config = { ...analyzeDefaults, steps: 300 };
  const cost = await measureProductCost(network, loss, 'hessian', train);
  const computation = await openComputation(problem, config, silentProgress, scope);
  const { lanczos } = computation;
  const operator = computation.curvature;

  const random = randomStream(1, 'bench');
  const vector = Float64Array.from({ length: network.dimension }, () => random.normal());
  await operator.apply(vector);
  const products = [];
  for (let i = 0; i < PRODUCTS; i++) {
    products.push(await milliseconds(() => operator.apply(vector)));
  }

  let inProducts = 0;
  const timed = {
    dim: operator.dim,
    apply: async (at) => {
      const start = performance.now();
      const product = await operator.apply(at);
      inProducts += performance.now() - start;
      return product;
    },
  };
  const ranking = rankByMagnitude(network.weights);
  const spectrum = await milliseconds(() =>
    estimateSpectrum(timed, {
      seed: 0,
      probes: 1,
      minimumSteps: 20,
      maximumSteps: LANCZOS_STEPS,
      reorthogonalization: lanczos.reorthogonalization,
      createVectors: computation.createVectors,
      addProbes: false,
      functionals: {
        limit: (measured) =>
          gaussianWidthLimit(measured, (p) => continuousRadiusSquared(ranking, p), EPSILON),
      },
      decisive: 'limit',
      tolerance: 0,
    }),
  );

  const dense = {
    train: await computation.train.at(network.weights),
    test: await computation.test.at(network.weights),
  };
  const evaluations = [];
  for (let i = 0; i < EVALUATIONS; i++) {
    const meter = createPruningMeter({
      weights: network.weights,
      ranking,
      train: (weights) => computation.train.at(weights),
      test: (weights) => computation.test.at(weights),
      dense,
    });
    evaluations.push(
      await milliseconds(async () => {
        await meter.train(0.5);
        await meter.test(0.5);
      }),
    );
  }
  const productMs = median(products);
  return {
    backend: engine.backend,
    dimension: network.dimension,
    productMs,
    gigaflops: (cost.operationsPerExample * train.count) / productMs / 1e6,
    stepMs: (spectrum - inProducts) / LANCZOS_STEPS,
    reorthogonalization: lanczos.reorthogonalization,
    evaluationMs: median(evaluations),
    testExamples: test.count,
    peakMebibytes: process.resourceUsage().maxRSS / 1024,
  };
}

console.log(JSON.stringify(await resourceScope((scope) => measure(cases[Number(process.argv[2])], scope))));
