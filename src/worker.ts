/** A process that computes shards for analyses elsewhere. */
import { openComputation } from './analysis/open-computation.js';
import { openProblem } from './analysis/problem.js';
import { resourceScope } from './analysis/resources.js';
import { readCheckpoint } from './checkpoint/registry.js';
import { readCheckpointWithWeights } from './checkpoint/weights/assign-weights.js';
import { type AnalyzeConfig, analyzeDefaults } from './config.js';
import { dataDigest } from './data-digest.js';
import { InputError } from './errors.js';
import { beforeInterruption } from './interruption.js';
import { type Progress, silentProgress } from './progress.js';
import type { OpenedRun } from './workers/carry-out.js';
import type { RunDescription } from './workers/messages.js';
import { placeBelow } from './workers/paths.js';
import { serve } from './workers/serve.js';
import { connectServer } from './workers/server.js';

/** What a worker is asked to do; without `threads` it takes as many as the analysis, for the same digits. */
export interface WorkerConfig extends Pick<AnalyzeConfig, 'backend' | 'threads' | 'memoryLimitBytes'> {
  /** With user and password, where it has them: never to be shown. */
  url: string;
  /** Folder below which models and data are. */
  root: string;
}

/**
 * Opens what a run is about, from files on this machine, and checks that they are the run's.
 *
 * @throws InputError where they are not, or cannot be read
 */
async function withRun(
  worker: WorkerConfig,
  { model, data, problem: asked, shards, dimension, arithmetic, threads: itsThreads }: RunDescription,
  use: (run: OpenedRun) => Promise<void>,
): Promise<void> {
  const { backend, memoryLimitBytes, root } = worker;
  const threads = worker.threads ?? itsThreads;
  const modelPath = await placeBelow(root, model.path);
  const weights = model.weights === null ? null : await placeBelow(root, model.weights);
  const dataPath = await placeBelow(root, data.path);
  const checkpoint =
    weights === null
      ? await readCheckpoint(modelPath)
      : await readCheckpointWithWeights(modelPath, weights, silentProgress);
  const otherThan = (path: string): InputError =>
    new InputError(
      'workers/other-files',
      `${path}: is not what the analysis has (the sha256 differ); copy it from there`,
    );
  if (checkpoint.sha256 !== model.sha256) {
    throw otherThan(modelPath);
  }
  if ((await dataDigest(dataPath)) !== data.sha256) {
    throw otherThan(dataPath);
  }
  await resourceScope(async (scope) => {
    const config: AnalyzeConfig = {
      ...analyzeDefaults,
      ...asked,
      ...{ model: modelPath, weights, data: dataPath, backend, threads, memoryLimitBytes, shards },
    };
    const problem = await openProblem(config, checkpoint, silentProgress, scope);
    const computation = await openComputation(problem, config, silentProgress, scope, arithmetic);
    const { sums, arithmetic: own } = computation.sharding!;
    if (own.program !== arithmetic.program || problem.network.dimension !== dimension) {
      throw new InputError(
        'workers/other-programs',
        `products are computed by other programs here (${problem.engine.backend}) than by the analysis; use the same backend and version`,
      );
    }
    await use({ sums, trained: problem.network.weights, backend: problem.engine.backend });
  });
}

/**
 * Takes part in the runs that are announced at a server, until the signal.
 *
 * @throws InputError when the server cannot be used
 */
export async function work(config: WorkerConfig, progress: Progress, signal: AbortSignal): Promise<void> {
  const server = await connectServer(config.url);
  try {
    const { note } = progress;
    await serve(server, { withRun: (run, use) => withRun(config, run, use), note, signal });
  } finally {
    server.close();
  }
}

/** {@link work} until SIGINT, SIGTERM or SIGHUP, after which what is under way is given to others. */
export async function workUntilStopped(config: WorkerConfig, progress: Progress): Promise<void> {
  const stop = new AbortController();
  let ended: () => void = () => {};
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const stopped = beforeInterruption().add(async () => {
    stop.abort();
    await end;
  });
  try {
    await work(config, progress, stop.signal);
  } finally {
    ended();
    if (!stop.signal.aborted) {
      stopped.dispose();
    }
  }
}
