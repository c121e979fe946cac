import { join } from 'node:path';
import { releaseWasmBackend } from '../compute/backend-release.js';
import { compilingExecutor } from '../compute/compile/onnx-executor.js';
import { NotCompilableError } from '../compute/compile/trace.js';
import { tfjsExecutor } from '../compute/tfjs-executor.js';
import type { AnalyzeConfig } from '../config.js';
import { type ProductPlan, productProgramOf } from '../curvature/product-plan.js';
import type { ShardSums } from '../curvature/shard-sums.js';
import { InputError } from '../errors.js';
import { prepareLossPrograms } from '../programs/loss-programs.js';
import { AGREEMENT_TOLERANCE } from '../programs/rounding.js';
import { defaultShards } from '../programs/shards.js';
import type { Progress } from '../progress.js';
import type { LanczosKeeper } from '../spectrum/lanczos-record.js';
import { UnwrittenFileError, writeWholeFiles } from '../whole-files.js';
import { compareComputations } from './agreement.js';
import { chooseWorkSizes, type LanczosSizes, type WorkSizes } from './budget.js';
import { compiledWorkSizes, type ShardArithmetic, type ShardDemand } from './compiled-budget.js';
import {
  type Computation,
  type ComputationSetting,
  createComputation,
  vectorsFactory,
} from './computation.js';
import { requireRoom } from './memory.js';
import type { Problem } from './problem.js';
import type { ResourceScope } from './resources.js';
import { openShardSums, shardedComputation } from './sharded-computation.js';
import type { DiskRoom } from './vectors-on-disk.js';

/** What a computation is the sum of, where its examples are cut into shards. */
export interface Sharding {
  sums: ShardSums;
  arithmetic: ShardArithmetic;
  /** Who computed them so far; absent where it is this process. */
  workers?: () => { most: number; drifting: readonly string[] };
}

/** The computation that was opened, and how its work is cut. */
export interface OpenedComputation extends Computation {
  lanczos: LanczosSizes;
  /** How the work is cut, in words, as far as last digits hang on it. */
  arithmetic: { evaluations: string; products: string };
  /** Keeps Lanczos runs; left out: none are kept. */
  keeper?: LanczosKeeper & { knownSteps(probe: number): Promise<number> };
  /** Null: tfjs computes, operation by operation. */
  plan: ProductPlan | null;
  /** Null: the examples are not cut into shards. */
  sharding: Sharding | null;
}

/**
 * How many shards the examples are cut into; null: they are not.
 *
 * @throws InputError where there are fewer examples
 */
function shardDemand(
  { train }: Problem,
  config: AnalyzeConfig,
  arithmetic: ShardArithmetic | null,
): ShardDemand | null {
  const shards = config.shards ?? (config.workers === null ? null : defaultShards(train.count));
  if (shards !== null && shards > train.count) {
    throw new InputError(
      'usage/shards',
      `--shards ${shards}: there are ${train.count} training examples; give at most so many shards, or more --examples`,
    );
  }
  return shards === null ? null : { shards, arithmetic };
}

/** A computation of all examples at once, or of their shards. */
async function createDemanded(
  problem: Problem,
  setting: ComputationSetting,
  demand: ShardDemand | null,
  scope: ResourceScope,
): Promise<Computation & { sharding: Sharding | null }> {
  if (demand === null) {
    return { ...(await createComputation(problem, setting, scope)), sharding: null };
  }
  const { executor, kind, productBatch, plan, basisFolder } = setting;
  const sums = await openShardSums(problem, setting, demand.shards, scope);
  const createVectors = await vectorsFactory(executor, scope, basisFolder);
  return {
    ...shardedComputation(problem, sums, kind, createVectors),
    sharding: { sums, arithmetic: { batchSize: productBatch, program: plan && productProgramOf(plan) } },
  };
}

/** Sums are taken shard by shard, where there are any. */
function cutInWords(demand: ShardDemand | null): string {
  return demand === null ? '' : `, in ${demand.shards} shards`;
}

/** Sums are taken batch by batch; whole programs, and images that are unfolded or not, round otherwise. */
function compiledArithmetic(plan: ProductPlan, demand: ShardDemand | null): OpenedComputation['arithmetic'] {
  const { name, batchSize, batches, keptBatches, unfoldedBatches, recomputesUnfolded } = plan;
  const rest = recomputesUnfolded ? batches - keptBatches : 0;
  const some = `the first ${unfoldedBatches} and last ${rest}`;
  const unfolded = rest + unfoldedBatches;
  const split = `split, ${unfolded === batches ? 'all' : unfolded === 0 ? 'none' : some} of ${batches} unfolded`;
  const evaluations = `compiled, in batches of ${batchSize}${cutInWords(demand)}`;
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
  demand: ShardDemand | null,
  scope: ResourceScope,
  disk: DiskRoom | null,
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
  const { plan, keepBytes, leastBytes, ...lanczos } = compiledWorkSizes(problem, config, plans, demand, disk);
  requireRoom(config, leastBytes);
  const difference = await compareComputations(problem, { kind, executor, programs, plan });
  if (!(difference <= AGREEMENT_TOLERANCE)) {
    throw new NotCompilableError(`compiled programs differ from tfjs by ${difference.toExponential(1)}`);
  }
  isCompared = true;
  const { batchSize } = plan;
  const sizes = { productBatch: batchSize, evaluationBatch: batchSize, keepBytes };
  const setting = { executor, programs, kind, plan, basisFolder: lanczos.basisFolder, ...sizes };
  const computation = await createDemanded(problem, setting, demand, scope);
  // From here on tfjs computes nothing.
  network.dispose();
  releaseWasmBackend();
  return { ...computation, lanczos, plan, arithmetic: compiledArithmetic(plan, demand) };
}

/** Batches of shards, evened out over the largest one. */
function shardBatches(
  { productBatch }: WorkSizes,
  examples: number,
  { shards, arithmetic }: ShardDemand,
): Pick<WorkSizes, 'productBatch' | 'evaluationBatch'> {
  const largest = Math.ceil(examples / shards);
  const evened = Math.ceil(largest / Math.ceil(largest / productBatch));
  const batch = arithmetic?.batchSize ?? evened;
  return { productBatch: batch, evaluationBatch: batch };
}

async function openUncompiled(
  problem: Problem,
  config: AnalyzeConfig,
  demand: ShardDemand | null,
  scope: ResourceScope,
): Promise<OpenedComputation> {
  const { network, loss, train } = problem;
  const kind = config.curvature;
  const sizes = chooseWorkSizes(problem, config);
  // Half of the memory is for a product.
  requireRoom(config, 2 * (sizes.cost.fixedBytes + sizes.cost.bytesPerExample));
  const programs = await prepareLossPrograms(tfjsExecutor, network, loss, kind, train);
  const { productBatch, evaluationBatch } =
    demand === null ? sizes : shardBatches(sizes, train.count, demand);
  const setting = { executor: tfjsExecutor, programs, kind, plan: null, basisFolder: null };
  const computation = await createDemanded(
    problem,
    { ...setting, productBatch, evaluationBatch, keepBytes: sizes.keepBytes },
    demand,
    scope,
  );
  const arithmetic = {
    evaluations: `by tfjs in batches of ${productBatch} and ${evaluationBatch}${cutInWords(demand)}`,
    products: `by tfjs in batches of ${productBatch}${cutInWords(demand)}`,
  };
  return { ...computation, lanczos: sizes, plan: null, arithmetic };
}

/**
 * The fastest computation that is right: compiled programs where the engine
 * has them, they exist for every kernel and agree with tfjs; else tfjs itself,
 * with a note that says why.
 *
 * With compiled programs, the tensors of `problem.network` are freed.
 *
 * @param arithmetic how shards have to be computed; null: to be chosen
 * @param disk where Lanczos vectors may be kept that do not fit into memory
 */
export async function openComputation(
  problem: Problem,
  config: AnalyzeConfig,
  progress: Progress,
  scope: ResourceScope,
  arithmetic: ShardArithmetic | null = null,
  disk: DiskRoom | null = null,
): Promise<OpenedComputation> {
  const demand = shardDemand(problem, config, arithmetic);
  if (arithmetic !== null && arithmetic.program === null) {
    return openUncompiled(problem, config, demand, scope);
  }
  try {
    const compiled = await openCompiled(problem, config, progress, demand, scope, disk);
    if (compiled !== null) {
      return compiled;
    }
  } catch (error) {
    if (!(error instanceof NotCompilableError)) {
      throw error;
    }
    progress.note(`this model cannot be compiled (${error.message}); computing with tfjs`);
  }
  return openUncompiled(problem, config, demand, scope);
}
