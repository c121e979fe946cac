/**
 * Measures the stages of one network with so many threads, and the machine between them, in a process of its own:
 * `node bench/roofline-worker.js INDEX THREADS` prints figures as JSON.
 */
import { openComputation } from '../dist/analysis/open-computation.js';
import { resourceScope } from '../dist/analysis/resources.js';
import { increasePredictor, predictSlice } from '../dist/analysis/slice.js';
import { compilingExecutor } from '../dist/compute/compile/onnx-executor.js';
import { analyzeDefaults } from '../dist/config.js';
import { searchFirstFailures } from '../dist/geometry/first-failure.js';
import { createBatches } from '../dist/programs/batches.js';
import { flatInputs, flatSum } from '../dist/programs/flat-weights.js';
import { prepareLossPrograms, vectorInputs } from '../dist/programs/loss-programs.js';
import { silentProgress } from '../dist/progress.js';
import { lossWithin } from '../dist/pruning/conditions.js';
import { rankByMagnitude } from '../dist/pruning/magnitude.js';
import { createPruningMeter } from '../dist/pruning/measurement.js';
import { randomStream } from '../dist/random.js';
import { openMachine, timed } from './machine.js';
import { median } from './median.js';
import { peerCases } from './peer-cases.js';
import { openBenchProblem, takeSteps } from './problem.js';
import { openTrainingStep } from './training-step.js';

/** Runs of a stage: as many as take so long, within these bounds; the first run of a short stage is not counted. */
const STAGE_MS = 700;
const RUNS = { least: 1, most: 9 };
const WARM_MS = 3000;
/** Lanczos steps of a run: as many as take so long, within these bounds; a step later takes more. */
const LANCZOS_MS = 2500;
const LANCZOS_STEPS = { least: 6, most: 80 };
/** Vectors of a product with several. */
const VECTORS = [2, 8];
/** Beyond this, the product with the most vectors is left out. */
const LONG_PRODUCT_MS = 400;
/** Of the loss: a tolerance that both searches reach. */
const EPSILON = 0.1;
/** Memory beyond which nothing is kept: enough for every network here. */
const MEMORY_LIMIT = 4 * 2 ** 30;

const within = (value, { least, most }) => Math.max(least, Math.min(most, Math.floor(value)));

const NOTHING = { operations: 0, trafficBytes: 0 };
const plus = (a, b) => ({
  operations: a.operations + b.operations,
  trafficBytes: a.trafficBytes + b.trafficBytes,
});
const times = ({ operations, trafficBytes }, factor) => ({
  operations: factor * operations,
  trafficBytes: factor * trafficBytes,
});
const moving = (bytes) => ({ operations: 0, trafficBytes: bytes });

/** Medians of several runs, how many depends on the first. */
async function repeated(work) {
  let first = await timed(work);
  if (first.cpuMs < WARM_MS) {
    first = await timed(work);
  }
  const runs = [first];
  const count = within(STAGE_MS / first.wallMs, RUNS);
  while (runs.length < count) {
    runs.push(await timed(work));
  }
  return {
    wallMs: median(runs.map(({ wallMs }) => wallMs)),
    cpuMs: median(runs.map(({ cpuMs }) => cpuMs)),
    runs: count,
    result: runs.at(-1).result,
  };
}

/** The sizes of the batches of a plan. */
function batchSizes({ batchSize, batches }, examples) {
  return Array.from({ length: batches }, (_, index) => Math.min(batchSize, examples - index * batchSize));
}

/** What a product with several vectors takes by its plan: the counts of the traced programs, and the vectors. */
function productCost(plans, plan, network, examples, vectors) {
  const variable = vectorInputs(network);
  let total = moving(vectors * 16 * network.dimension);
  for (const [index, size] of batchSizes(plan, examples).entries()) {
    if (plan.name === 'whole') {
      total = plus(total, times(plans.wholeCost(size), vectors));
      continue;
    }
    const isKept = index < plan.keptBatches;
    const unfolded = index < plan.unfoldedBatches || (!isKept && plan.recomputesUnfolded);
    const { prologue, step } = plans.splitCost(size, variable, unfolded);
    total = plus(total, plus(times(step, vectors), isKept ? NOTHING : prologue));
  }
  return total;
}

/** What a program of batches takes. */
function wholeCost({ plans }, plan, examples) {
  return batchSizes(plan, examples).reduce((sum, size) => plus(sum, plans.wholeCost(size)), NOTHING);
}

/** Vectors of a Lanczos run that count what is done with them. */
function countingVectors(createVectors, counted) {
  return (length, keep) => {
    const vectors = createVectors(length, keep);
    return {
      ...vectors,
      orthogonalize: (count) => {
        counted.operations += 4 * count * length;
        counted.trafficBytes += 8 * count * length;
        return vectors.orthogonalize(count);
      },
    };
  };
}
/** Bytes for each entry of a vector that a step without orthogonalisation reads and writes besides its product. */
const STEP_BYTES = 40;

async function measure(benchCase, threads, scope) {
  const { problem } = await openBenchProblem(benchCase, benchCase.examples, scope, threads);
  const { engine, network, loss, train } = problem;
  if (engine.onnx === null) {
    throw new Error('onnxruntime-node does not load: there are no native programs to measure');
  }
  const machine = await openMachine(engine.onnx);
  const executor = compilingExecutor(engine);
  // While tfjs is there to trace them.
  const programs = await prepareLossPrograms(executor, network, loss, 'hessian', train);
  const training = await openTrainingStep(benchCase.training, engine.onnx);
  const config = { ...analyzeDefaults, steps: 300, memoryLimitBytes: MEMORY_LIMIT };
  const opened = await openComputation({ ...problem, test: null }, config, silentProgress, scope);
  const { curvature, plan } = opened;
  const { dimension, weights } = network;
  const ofVectors = (vectors) => productCost(programs.product.plans, plan, network, train.count, vectors);

  const stages = [];
  /** Measures a stage that is taken `count` times a run. */
  const stage = async (name, work, cost, count = () => 1) => {
    await machine.sample();
    const { result, wallMs, cpuMs, runs } = await repeated(work);
    const taken = count(result);
    const { operations, trafficBytes } = typeof cost === 'function' ? cost(result) : cost;
    const each = { operations: operations / taken, trafficBytes: trafficBytes / taken };
    stages.push({ name, ...each, wallMs: wallMs / taken, cpuMs: cpuMs / taken, runs });
    return stages.at(-1);
  };

  const random = randomStream(1, 'roofline');
  // Float32, as those of Lanczos steps and prunings are: others are copied before every product.
  const vectors = Array.from({ length: Math.max(...VECTORS) }, () =>
    Float32Array.from({ length: dimension }, () => random.normal()),
  );
  // Computes what is kept.
  await curvature.apply(vectors[0]);
  const product = await stage('product', () => curvature.apply(vectors[0]), ofVectors(1));
  for (const count of VECTORS) {
    if (count === Math.min(...VECTORS) || product.wallMs <= LONG_PRODUCT_MS) {
      await stage(
        `product, ${count} vectors`,
        () => Promise.all(vectors.slice(0, count).map((vector) => curvature.apply(vector))),
        ofVectors(count),
      );
    }
  }

  const gradient = await programs.gradient.compile(plan.batchSize);
  const [last] = batchSizes(plan, train.count).slice(-1);
  const lastGradient = last === plan.batchSize ? gradient : await programs.gradient.compile(last);
  const batches = scope.own(
    createBatches(train, network.outputs, { batchSize: plan.batchSize, keepBytes: 2 ** 30, executor }),
  );
  await stage(
    'gradient',
    async () => {
      const fixed = flatInputs(executor, network, 'w', weights);
      const mean = flatSum(executor, network, 1 / batches.examples);
      await batches.forEach(async ({ size, x, y }) => {
        const compiled = size === plan.batchSize ? gradient : lastGradient;
        mean.add(await compiled.run({ ...fixed, x, y }));
      });
      return mean.values;
    },
    wholeCost(programs.gradient, plan, train.count),
  );
  const evaluationCost = wholeCost(programs.evaluate, plan, train.count);
  await stage('evaluation', () => opened.train.at(weights), evaluationCost);

  const steps = within(LANCZOS_MS / product.wallMs, LANCZOS_STEPS);
  await stage(
    `Lanczos step, of ${steps}`,
    async () => {
      const counted = times(plus(ofVectors(1), moving(STEP_BYTES * dimension)), steps);
      const createVectors = countingVectors(opened.createVectors, counted);
      await takeSteps({ ...opened, createVectors }, { probes: 1, steps });
      return counted;
    },
    (counted) => counted,
    () => steps,
  );

  const ranking = rankByMagnitude(weights);
  const dense = await opened.train.at(weights);
  const epsilon = EPSILON * dense.meanLoss;
  const { gradient: lossGradient } = await opened.lossGradient(weights);
  await stage(
    'slice',
    async () => {
      let products = 0;
      const predict = increasePredictor(curvature, lossGradient, weights, ranking, () => products++);
      await predictSlice(predict, epsilon, 1, silentProgress);
      return products;
    },
    (products) => times(ofVectors(1), products),
  );
  await stage(
    'curve',
    async () => {
      let evaluations = 0;
      const at = (pruned) => {
        evaluations++;
        return opened.train.at(pruned);
      };
      const meter = createPruningMeter({
        weights,
        ranking,
        train: at,
        test: null,
        dense: { train: dense, test: null },
      });
      const condition = lossWithin(epsilon, await meter.train(0));
      await searchFirstFailures(meter.train, [condition], { maximumFraction: 1 });
      return evaluations;
    },
    (evaluations) => times(evaluationCost, evaluations),
  );
  const { stepsAtOnce } = training;
  await stage(
    'training step',
    () => training.take(stepsAtOnce),
    times(training.cost, stepsAtOnce),
    () => stepsAtOnce,
  );
  await machine.sample();
  training.dispose();
  const speeds = machine.speeds();
  await machine.dispose();
  return { dimension, plan: plan.name, batchSize: plan.batchSize, speeds, stages };
}

const [index, threads] = process.argv.slice(2).map(Number);
console.log(JSON.stringify(await resourceScope((scope) => measure(peerCases[index], threads, scope))));
