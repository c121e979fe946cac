/** An analysis whose sums are computed by workers on other machines. */
import type { OpenedComputation } from './analysis/open-computation.js';
import type { Problem } from './analysis/problem.js';
import type { ResourceScope } from './analysis/resources.js';
import { exampleSets, shardedComputation } from './analysis/sharded-computation.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import type { AnalyzeConfig, WorkersConfig } from './config.js';
import { dataDigest } from './data-digest.js';
import { InputError } from './errors.js';
import type { InterruptionWork } from './interruption.js';
import { shardBounds } from './programs/shards.js';
import type { Progress } from './progress.js';
import { toolVersion } from './tool-version.js';
import { PROTOCOL } from './workers/messages.js';
import { sharedPath } from './workers/paths.js';
import { openRemoteSums } from './workers/remote-sums.js';
import { connectServer } from './workers/server.js';
import { firstShard } from './workers/shard-check.js';

/**
 * Hands the sums of a computation out to workers, which compute the same bits.
 *
 * This process computes the first shard itself, at the start: every worker's
 * is compared with it before the worker takes part.
 *
 * @param opened cut into shards
 * @throws InputError when the server cannot be used
 */
export async function overWorkers(
  opened: OpenedComputation,
  problem: Problem,
  {
    config,
    workers,
    checkpoint,
    interruptionWork,
  }: {
    config: AnalyzeConfig;
    workers: WorkersConfig;
    checkpoint: Checkpoint;
    interruptionWork: InterruptionWork;
  },
  progress: Progress,
  scope: ResourceScope,
): Promise<OpenedComputation> {
  const { sums, arithmetic } = opened.sharding!;
  const { network, engine } = problem;
  const server = await connectServer(workers.url);
  scope.own({ dispose: server.close });
  const data = await dataDigest(config.data);
  if (data === null) {
    throw new InputError(
      'workers/no-data',
      `--data ${config.data}: there is no file that workers could check`,
    );
  }
  const sets = exampleSets(problem);
  const { labelColumn, layout, normalize, loss, examples, sample, testExamples } = config;
  const { epsilon, epsilonExamples, curvature, include, exclude, seed } = config;
  const remote = await openRemoteSums(
    server,
    {
      description: {
        protocol: PROTOCOL,
        version: toolVersion(),
        model: {
          path: sharedPath(checkpoint.path),
          weights: config.weights === null ? null : sharedPath(config.weights),
          sha256: checkpoint.sha256,
        },
        data: { path: sharedPath(config.data), sha256: data },
        problem: {
          ...{ labelColumn, layout, normalize, loss, examples, sample, testExamples },
          ...{ epsilon, epsilonExamples, curvature, include, exclude, seed },
        },
        shards: sums.shards,
        dimension: network.dimension,
        arithmetic,
        backend: engine.backend,
        threads: engine.threads === 0 ? null : engine.threads,
        allowDrift: workers.allowDrift,
      },
      reference: await firstShard(sums, network.weights),
      trained: network.weights,
      outputs: network.outputs,
      examplesIn: (set, { start, end }) => {
        const bounds = shardBounds(sets[set]?.count ?? 0, sums.shards);
        return bounds[end] - bounds[start];
      },
    },
    progress.note,
  );
  scope.own({ dispose: remote.close });
  scope.own(interruptionWork.add(remote.close));
  // Results of workers that differ are kept apart from exact ones, where they are kept (analysis/state).
  const drifting = (words: string): string => (workers.allowDrift ? `${words}, drift allowed` : words);
  const { evaluations, products } = opened.arithmetic;
  return {
    ...opened,
    ...shardedComputation(problem, remote.sums, curvature, opened.createVectors),
    arithmetic: { evaluations: drifting(evaluations), products: drifting(products) },
    sharding: { sums: remote.sums, arithmetic, workers: remote.facts },
  };
}
