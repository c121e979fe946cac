import { describe, expect, it } from 'vitest';
import type { LinearOperator } from '../../src/curvature/linear-operator.js';
import { randomStream } from '../../src/random.js';
import { LanczosRun, type Reorthogonalization } from '../../src/spectrum/lanczos.js';
import { plainVectors, recentVectors } from '../../src/spectrum/lanczos-vectors.js';
import { gaussRule } from '../../src/spectrum/quadrature.js';
import { spectralAverage } from '../../src/spectrum/spectral-measure.js';
import { orthogonalRows } from './operators.js';

const DIMENSION = 40;

/** Rounding errors of sums over so many numbers in float32, and how f of the averages below magnifies them. */
const ROUNDING = DIMENSION * 2 ** -24;

/**
 * A matrix of the given rank, whose products are computed in float32 from
 * vectors in float32 as those of networks are: through a factorisation, so
 * that every stage rounds.
 */
function float32Operator(eigenvalues: readonly number[], seed: number): LinearOperator {
  const vectors = orthogonalRows(DIMENSION, seed).map((row) => Float32Array.from(row));
  const { fround } = Math;
  return {
    dim: DIMENSION,
    apply: async (vector) => {
      const product = new Float32Array(DIMENSION);
      eigenvalues.forEach((eigenvalue, index) => {
        let overlap = 0;
        for (let i = 0; i < DIMENSION; i++) {
          overlap = fround(overlap + fround(vectors[index][i] * fround(vector[i])));
        }
        const factor = fround(fround(eigenvalue) * overlap);
        for (let i = 0; i < DIMENSION; i++) {
          product[i] = fround(product[i] + fround(factor * vectors[index][i]));
        }
      });
      return Float64Array.from(product);
    },
  };
}

function signs(seed: number): Float64Array {
  const random = randomStream(seed, 'start');
  return Float64Array.from({ length: DIMENSION }, () => random.sign() / Math.sqrt(DIMENSION));
}

/** Of both signs, over three decades, the largest 1; none of them within float32 rounding of another. */
function spectrumOfRank(rank: number): number[] {
  return Array.from({ length: rank }, (_, i) => 10 ** (-3 * (i / DIMENSION)) * (i % 3 === 1 ? -1 : 1));
}

const ranks = Array.from({ length: DIMENSION }, (_, i) => i + 1);

describe.each<Reorthogonalization>(['full', 'none'])(
  'an operator of low rank with float32 products, reorthogonalisation %s',
  (reorthogonalization) => {
    it.each(['float64', 'float32'] as const)('every rank, vectors in %s', async (precision) => {
      for (const rank of ranks) {
        const eigenvalues = spectrumOfRank(rank);
        const run = new LanczosRun(float32Operator(eigenvalues, rank), signs(rank), {
          reorthogonalization,
          createVectors: (length, keep) =>
            keep === 'all' ? plainVectors(length, precision) : recentVectors(length, precision),
        });
        // One step an eigenvalue, one for the null space; all further ones would be of noise.
        for (let step = 0; step < 3 * DIMENSION; step++) {
          await run.step();
        }
        const { nodes, weights } = gaussRule(run);
        const place = `rank ${rank}, ${run.steps} steps`;
        expect(Math.max(...nodes.map(Math.abs)), place).toBeCloseTo(1, 5);
        // The measure that the start vector sees, known from the factorisation.
        const start = signs(rank);
        const vectors = orthogonalRows(DIMENSION, rank);
        const seen = eigenvalues.map(
          (_, index) => vectors[index].reduce((sum, entry, i) => sum + entry * start[i], 0) ** 2,
        );
        for (const mu of [1, 30, 1000]) {
          const f = (value: number): number => 1 / (1 + mu * Math.abs(value));
          const exact = seen.reduce((sum, share, index) => sum + share * (f(eigenvalues[index]) - 1), 1);
          expect(Math.abs(spectralAverage({ nodes, weights }, f) - exact), `${place}, mu ${mu}`).toBeLessThan(
            ROUNDING * (1 + mu),
          );
        }
        if (reorthogonalization === 'full') {
          expect(run.exhausted, place).toBe(true);
          expect(run.steps, place).toBeLessThanOrEqual(Math.min(rank + 2, DIMENSION));
        }
      }
    });
  },
);

describe('rounding of products', () => {
  it('does not end a run whose eigenvalues reach far below it, for exact products', async () => {
    const eigenvalues = Float64Array.from({ length: 30 }, (_, i) => 10 ** (-i / 3));
    const start = new Float64Array(30).fill(1 / Math.sqrt(30));
    const run = new LanczosRun(
      { dim: 30, apply: async (vector) => Float64Array.from(vector, (entry, i) => eigenvalues[i] * entry) },
      start,
    );
    for (let step = 0; step < 30; step++) {
      await run.step();
    }
    expect(run.steps).toBe(30);
  });
});
