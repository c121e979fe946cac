import { join } from 'node:path';
import { releaseWasmBackend } from '../compute/backend-release.js';
import { NotCompilableError } from '../compute/compile/trace.js';
import type { AnalyzeConfig } from '../config.js';
import type { NativeSetting } from '../curvature/native-batches.js';
import { traceLossPrograms } from '../curvature/native-programs.js';
import type { ProductPlan } from '../curvature/product-plan.js';
import { InputError } from '../errors.js';
import type { Progress } from '../progress.js';
import { UnwrittenFileError, writeWholeFiles } from '../whole-files.js';
import { chooseWorkSizes, type LanczosSizes } from './budget.js';
import { type Computation, eagerComputation } from './computation.js';
import { AGREEMENT_TOLERANCE, compareComputations } from './native-agreement.js';
import { nativeWorkSizes } from './native-budget.js';
import { nativeComputation } from './native-computation.js';
import type { Problem } from './problem.js';
import type { ResourceScope } from './resources.js';

/** The computation that was opened, and how its work is cut. */
export interface OpenedComputation extends Computation {
  lanczos: LanczosSizes;
  /** Null: tfjs computes, operation by operation. */
  plan: ProductPlan | null;
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

async function openNative(
  problem: Problem,
  config: AnalyzeConfig,
  options: NativeSetting['options'],
  progress: Progress,
  scope: ResourceScope,
): Promise<OpenedComputation> {
  const { network, loss, train } = problem;
  const setting: NativeSetting = { network, loss, options };
  const programs = traceLossPrograms(network, loss, config.curvature, train);
  const { plan, keepBytes, ...lanczos } = nativeWorkSizes(problem, config, programs.product, options);
  const difference = await compareComputations(problem, { kind: config.curvature, programs, setting, plan });
  if (!(difference <= AGREEMENT_TOLERANCE)) {
    throw new NotCompilableError(`compiled programs differ from tfjs by ${difference.toExponential(1)}`);
  }
  const dumped = config.dumpGraph === null ? {} : { onModel: writerInto(config.dumpGraph, progress) };
  const computation = await nativeComputation(
    problem,
    config.curvature,
    programs,
    { plan, keepBytes },
    { ...setting, options: { ...options, ...dumped } },
    scope,
  );
  // From here on tfjs computes nothing.
  network.dispose();
  releaseWasmBackend();
  return { ...computation, lanczos, plan };
}

/**
 * The fastest computation that is right: native programs where the engine has
 * them, they exist for every kernel and agree with tfjs; else tfjs itself,
 * with a note that says why.
 *
 * With native programs, the tensors of `problem.network` are freed.
 */
export async function openComputation(
  problem: Problem,
  config: AnalyzeConfig,
  progress: Progress,
  scope: ResourceScope,
): Promise<OpenedComputation> {
  const { native } = problem.engine;
  if (native !== null) {
    try {
      return await openNative(problem, config, native, progress, scope);
    } catch (error) {
      if (!(error instanceof NotCompilableError)) {
        throw error;
      }
      progress.note(`this model cannot be compiled (${error.message}); computing with tfjs`);
    }
  }
  const sizes = await chooseWorkSizes(problem, config);
  return {
    ...eagerComputation(problem, config.curvature, sizes, scope),
    lanczos: sizes,
    plan: null,
  };
}
