import { describe, expect, it } from 'vitest';
import type { LinearOperator } from '../../src/curvature/linear-operator.js';
import { LanczosRun } from '../../src/spectrum/lanczos.js';
import { headOf } from '../../src/spectrum/run-rules.js';
import { estimateNegativeShare, estimateTrace } from '../../src/spectrum/trace.js';
import {
  denseOperator,
  diagonalOperator,
  explicitMatrix,
  orthogonalRows,
  rotatedOperator,
  signVector,
  syntheticProblem,
} from './operators.js';

async function runsOver(
  operator: LinearOperator,
  seed: number,
  probes: number,
  steps: number,
): Promise<LanczosRun[]> {
  const runs: LanczosRun[] = [];
  for (let probe = 0; probe < probes; probe++) {
    const run = new LanczosRun(operator, signVector(operator.dim, seed, `probe ${probe}`));
    for (let step = 0; step < steps; step++) {
      await run.step();
    }
    runs.push(run);
  }
  return runs;
}

function negativeShareOf(eigenvalues: ArrayLike<number>): number {
  const values = Array.from(eigenvalues);
  const total = values.reduce((sum, value) => sum + Math.abs(value), 0);
  return values.reduce((sum, value) => sum + Math.max(0, -value), 0) / total;
}

const meanSquare = (scores: readonly number[]): number =>
  scores.reduce((sum, score) => sum + score * score, 0) / scores.length;

describe('estimateNegativeShare', () => {
  it('is exact, and sure, where the whole spectrum was found', async () => {
    const runs = await runsOver(diagonalOperator([-1, 0, 1, 4]), 1, 2, 4);
    expect(estimateNegativeShare(4, runs)).toEqual({
      value: expect.closeTo(1 / 6, 12),
      standardError: expect.closeTo(0, 12),
    });
  });

  it.each<[string, number[], number]>([
    ['no negative eigenvalue', Array.from({ length: 64 }, (_, i) => (i % 7) / 7), 0],
    ['no positive one', Array.from({ length: 64 }, (_, i) => -(i % 7) / 7), 1],
    ['nothing but zeros', new Array(64).fill(0), 0],
  ])('of %s', async (_, eigenvalues, expected) => {
    const runs = await runsOver(rotatedOperator(eigenvalues, 1), 1, 2, 20);
    const { value, standardError } = estimateNegativeShare(64, runs);
    expect(value).toBeCloseTo(expected, 12);
    expect(standardError).toBeLessThan(1e-6);
  });

  it('is never negative of a positive semi-definite matrix before it is exhausted', async () => {
    const eigenvalues = Array.from({ length: 512 }, (_, i) => (i < 100 ? 0 : 10 ** (-i / 100)));
    for (const steps of [3, 10, 40]) {
      const runs = await runsOver(rotatedOperator(eigenvalues, 1), 2, 2, steps);
      expect(estimateNegativeShare(512, runs).value).toBeLessThan(1e-12);
    }
  });

  it.each<[string, Float64Array]>([
    [
      'with much on both sides',
      Float64Array.from({ length: 512 }, (_, i) => 2 ** (-(i % 256) / 32) * (i < 256 ? 1 : -0.6)),
    ],
    [
      'with a few far out',
      Float64Array.from({ length: 512 }, (_, i) => [30, 22, 14, 9, -4, -2.5][i] ?? Math.cos(i) ** 3 / 4),
    ],
    ['of a network, of which steps resolve little', syntheticProblem(404, 512).eigenvalues],
  ])('states errors that are honest over 40 seeds, of a spectrum %s', async (name, eigenvalues) => {
    const exact = negativeShareOf(eigenvalues);
    const scores: Record<string, number[]> = {};
    for (let seed = 0; seed < 40; seed++) {
      const runs = await runsOver(rotatedOperator(eigenvalues, seed), seed, 4, 60);
      for (const probes of [1, 2, 4]) {
        for (const steps of [30, 60]) {
          const heads = runs.slice(0, probes).map((run) => headOf(run, steps));
          const { value, standardError } = estimateNegativeShare(512, heads);
          const score = (value - exact) / standardError;
          scores[`${probes} probes, ${steps} steps`] ??= [];
          scores[`${probes} probes, ${steps} steps`].push(score);
        }
      }
    }
    if (process.env.PRUNE_LIMIT_PRINT) {
      console.info(
        name,
        exact,
        Object.entries(scores).map(([key, list]) => [key, meanSquare(list)]),
      );
    }
    for (const [key, list] of Object.entries(scores)) {
      // The stated error is an upper bound of the probes' own.
      expect(meanSquare(list), key).toBeGreaterThan(0.3);
      expect(meanSquare(list), key).toBeLessThan(1.6);
    }
  });
});

describe('estimateTrace', () => {
  it('is exact where the whole spectrum was found', async () => {
    const runs = await runsOver(diagonalOperator([-1, 0, 1, 4]), 1, 2, 4);
    const { value, standardError } = estimateTrace(4, runs);
    expect(value).toBeCloseTo(4, 12);
    expect(standardError).toBeLessThan(1e-6);
  });

  it('is exact of a null space and simple eigenvalues, by one probe', async () => {
    const dimension = 96;
    const eigenvalues = Array.from({ length: dimension }, (_, i) => (i < 15 ? 20.5 - 3 * i : 0));
    const trace = eigenvalues.reduce((sum, value) => sum + value, 0);
    for (let seed = 0; seed < 30; seed++) {
      const operator = denseOperator(explicitMatrix(eigenvalues, orthogonalRows(dimension, seed)));
      const { value, standardError } = estimateTrace(dimension, await runsOver(operator, seed, 1, 30));
      expect(value, `seed ${seed}`).toBeCloseTo(trace, 8);
      expect(standardError).toBeLessThan(1e-4);
    }
  });
});
