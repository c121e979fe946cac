import { join } from 'node:path';
import { releaseWasmBackend } from '../compute/backend-release.js';
import { compilingExecutor } from '../compute/compile/onnx-executor.js';
import { NotCompilableError } from '../compute/compile/trace.js';
import { tfjsExecutor } from '../compute/tfjs-executor.js';
import type { AnalyzeConfig } from '../config.js';
import type { ProductPlan } from '../curvature/product-plan.js';
import { InputError } from '../errors.js';
import { prepareLossPrograms } from '../programs/loss-programs.js';
import { AGREEMENT_TOLERANCE } from '../programs/rounding.js';
import type { Progress } from '../progress.js';
import type { LanczosKeeper } from '../spectrum/lanczos-record.js';
import { UnwrittenFileError, writeWholeFiles } from '../whole-files.js';
import { compareComputations } from './agreement.js';
import { chooseWorkSizes, type LanczosSizes } from './budget.js';
import { compiledWorkSizes } from './compiled-budget.js';
import { type Computation, createComputation } from './computation.js';
import { requireRoom } from './memory.js';
import type { Problem } from './problem.js';
import type { ResourceScope } from './resources.js';

/** The computation that was opened, and how its work is cut. */
export interface OpenedComputation extends Computation {
  lanczos: LanczosSizes;
  /** How the work is cut, in words, as far as last digits hang on it. */
  arithmetic: { evaluations: string; products: string };
  /** Keeps Lanczos runs; left out: none are kept. */
  keeper?: LanczosKeeper & { knownSteps(probe: number): Promise<number> };
  /** Null: tfjs computes, operation by operation. */
  plan: ProductPlan | null;
}

/** Sums are taken batch by batch; whole programs, and images that are unfolded or not, round otherwise. */
function compiledArithmetic(plan: ProductPlan): OpenedComputation['arithmetic'] {
  const { name, batchSize, batches, keptBatches, unfoldedBatches, recomputesUnfolded } = plan;
  const rest = recomputesUnfolded ? batches - keptBatches : 0;
  const some = `the first ${unfoldedBatches} and last ${rest}`;
  const unfolded = rest + unfoldedBatches;
  const split = `split, ${unfolded === batches ? 'all' : unfolded === 0 ? 'none' : some} of ${batches} unfolded`;
  const evaluations = `compiled, in batches of ${batchSize}`;
  return { evaluations, products: `${evaluations}, ${name === 'whole' ? name : split}` };
}

/** Writes programs into a folder, as ONNX files, up to the first that cannot be written. */
function writerInto(folder: string, progress: Progress): (name: string, model: Uint8Array) => Promise<void> {
  let failed = false;
  return async (name, model) => {
    const path = join(folder, `${name}.onnx`);
    try {
      if (!failed) {
        await writeWholeFiles([{ path, data: model }]);
      }
    } catch (error) {
      if (!(error instanceof UnwrittenFileError)) {
        throw error;
      }
      failed = true;
      progress.unwritten(
        new InputError('usage/dump-graph', `--dump-graph: ${error.message}`, { cause: error }),
      );
    }
  };
}

async function openCompiled(
  problem: Problem,
  config: AnalyzeConfig,
  progress: Progress,
  scope: ResourceScope,
): Promise<OpenedComputation | null> {
  const { network, loss, train, engine } = problem;
  const dump = config.dumpGraph === null ? null : writerInto(config.dumpGraph, progress);
  let isCompared = false;
  const executor = compilingExecutor(engine, async (name, model) => {
    // What the comparison compiles is as large as its few examples.
    if (isCompared) {
      await dump?.(name, model);
    }
  });
  if (executor === null) {
    return null;
  }
  const kind = config.curvature;
  const programs = await prepareLossPrograms(executor, network, loss, kind, train);
  const { plans } = programs.product;
  if (plans === null) {
    return null;
  }
  const { plan, keepBytes, leastBytes, ...lanczos } = compiledWorkSizes(problem, config, plans);
  requireRoom(config, leastBytes);
  const difference = await compareComputations(problem, { kind, executor, programs, plan });
  if (!(difference <= AGREEMENT_TOLERANCE)) {
    throw new NotCompilableError(`compiled programs differ from tfjs by ${difference.toExponential(1)}`);
  }
  isCompared = true;
  const { batchSize } = plan;
  const sizes = { productBatch: batchSize, evaluationBatch: batchSize, keepBytes };
  const computation = await createComputation(problem, { executor, programs, kind, plan, ...sizes }, scope);
  // From here on tfjs computes nothing.
  network.dispose();
  releaseWasmBackend();
  return { ...computation, lanczos, plan, arithmetic: compiledArithmetic(plan) };
}

async function openUncompiled(
  problem: Problem,
  config: AnalyzeConfig,
  scope: ResourceScope,
): Promise<OpenedComputation> {
  const { network, loss, train } = problem;
  const kind = config.curvature;
  const sizes = await chooseWorkSizes(problem, config);
  // Half of the memory is for a product.
  requireRoom(config, 2 * (sizes.cost.fixedBytes + sizes.cost.bytesPerExample));
  const programs = await prepareLossPrograms(tfjsExecutor, network, loss, kind, train);
  const setting = { executor: tfjsExecutor, programs, kind, plan: null };
  const computation = await createComputation(problem, { ...sizes, ...setting }, scope);
  const arithmetic = {
    evaluations: `by tfjs in batches of ${sizes.productBatch} and ${sizes.evaluationBatch}`,
    products: `by tfjs in batches of ${sizes.productBatch}`,
  };
  return { ...computation, lanczos: sizes, plan: null, arithmetic };
}

/**
 * The fastest computation that is right: compiled programs where the engine
 * has them, they exist for every kernel and agree with tfjs; else tfjs itself,
 * with a note that says why.
 *
 * With compiled programs, the tensors of `problem.network` are freed.
 */
export async function openComputation(
  problem: Problem,
  config: AnalyzeConfig,
  progress: Progress,
  scope: ResourceScope,
): Promise<OpenedComputation> {
  try {
    const compiled = await openCompiled(problem, config, progress, scope);
    if (compiled !== null) {
      return compiled;
    }
  } catch (error) {
    if (!(error instanceof NotCompilableError)) {
      throw error;
    }
    progress.note(`this model cannot be compiled (${error.message}); computing with tfjs`);
  }
  return openUncompiled(problem, config, scope);
}
