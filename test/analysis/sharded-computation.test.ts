import { beforeAll, describe, expect, it } from 'vitest';
import { type OpenedComputation, openComputation } from '../../src/analysis/open-computation.js';
import type { Problem } from '../../src/analysis/problem.js';
import { type ResourceScope, resourceScope } from '../../src/analysis/resources.js';
import { shardedComputation } from '../../src/analysis/sharded-computation.js';
import { prepareBackend } from '../../src/compute/backend.js';
import type { AnalyzeConfig } from '../../src/config.js';
import { productProgramOf } from '../../src/curvature/product-plan.js';
import { addGradients, addVectors, type ShardSums } from '../../src/curvature/shard-sums.js';
import { nodesAtDepth, type ShardRange, sumAlongTree } from '../../src/programs/shards.js';
import { silentProgress } from '../../src/progress.js';
import { native } from '../compute/compile/support.js';
import { normalVector, relativeError } from '../support/vectors.js';
import { configWith, fixedCheckpoint, problemOf, smallModel } from './support.js';

beforeAll(() => prepareBackend('cpu'));

/** 50 examples, compiled where there is a native library, and a test set. */
async function problem(compiles: boolean): Promise<Problem> {
  const made = await problemOf(await fixedCheckpoint(smallModel()), { count: 50, shape: [4] });
  const fewer = { ...made.train, count: 33 };
  return {
    ...made,
    epsilonTrain: fewer,
    test: { ...made.train, count: 20 },
    engine: { ...made.engine, onnx: compiles ? native : null },
  };
}

async function open(
  changes: Partial<AnalyzeConfig>,
  scope: ResourceScope,
  compiles = false,
): Promise<{ computation: OpenedComputation; problem: Problem }> {
  const made = await problem(compiles);
  return {
    computation: await openComputation(made, configWith(changes), silentProgress, scope),
    problem: made,
  };
}

async function results({ train, test, epsilonTrain, lossGradient, curvature }: OpenedComputation) {
  const weights = normalVector(curvature.dim, 3);
  const [left, right] = await Promise.all([
    curvature.apply(normalVector(curvature.dim, 1)),
    curvature.apply(normalVector(curvature.dim, 2)),
  ]);
  const evaluations = [await train.at(weights), await test!.at(weights), await epsilonTrain!.at(weights)];
  const { loss, gradient } = await lossGradient(weights);
  return { left, right, evaluations, loss, gradient };
}

describe.each([
  ['compiled', true],
  ['by tfjs', false],
])('a computation of shards, %s', (_, compiles) => {
  it('agrees with the one of all examples but for rounding', () =>
    resourceScope(async (scope) => {
      const direct = await results((await open({}, scope, compiles)).computation);
      for (const shards of [1, 3, 7, 50]) {
        const sharded = await results((await open({ shards }, scope, compiles)).computation);
        // Sums of float32 programs; the vectors are rounded to float32 once more.
        for (const name of ['left', 'right', 'gradient'] as const) {
          expect(relativeError(sharded[name], direct[name])).toBeLessThan(3e-6);
        }
        expect(sharded.loss).toBeCloseTo(direct.loss, 5);
        for (const [i, { losses, accuracy, decisions, outputsSumToOne }] of direct.evaluations.entries()) {
          expect(sharded.evaluations[i]).toMatchObject({ accuracy, decisions, outputsSumToOne });
          expect(relativeError(sharded.evaluations[i].losses, losses)).toBeLessThan(3e-6);
        }
      }
    }));

  it('has the same bits whichever nodes of the tree are asked for', () =>
    resourceScope(async (scope) => {
      const { computation, problem: made } = await open({ shards: 6 }, scope, compiles);
      const { sums } = computation.sharding!;
      const whole = await results(computation);
      for (const depth of [1, 2, 3]) {
        const nodes = nodesAtDepth(6, depth);
        const among = ({ start, end }: ShardRange) =>
          nodes.some((node) => node.start === start && node.end === end);
        // Each part comes from a call of its own, as from another process.
        const parted: ShardSums = {
          ...sums,
          gradient: (weights, node) =>
            sumAlongTree(node, (part) => (among(part) ? sums.gradient(weights, part) : null), addGradients),
          products: (vectors, node) =>
            sumAlongTree(node, (part) => (among(part) ? sums.products(vectors, part) : null), addVectors),
        };
        const parts = shardedComputation(made, parted, 'hessian', computation.createVectors);
        expect(await results({ ...computation, ...parts })).toEqual(whole);
      }
    }));
});

describe('how shards are computed', () => {
  it('is the same in every batch, whatever is kept', () =>
    resourceScope(async (scope) => {
      for (const memoryLimitBytes of [null, 3e5, 1e6]) {
        const { computation } = await open({ shards: 5, memoryLimitBytes }, scope, true);
        const { plan, sharding } = computation;
        expect(plan === null || productProgramOf(plan) !== null).toBe(true);
        expect(sharding!.arithmetic.batchSize).toBeLessThanOrEqual(10);
      }
    }));

  it('refuses more shards than there are examples', () =>
    resourceScope(async (scope) => {
      await expect(open({ shards: 51 }, scope)).rejects.toThrow(
        '--shards 51: there are 50 training examples; give at most so many shards, or more --examples',
      );
    }));
});
