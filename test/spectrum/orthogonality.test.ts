import { describe, expect, it } from 'vitest';
import { compileRowProjector } from '../../src/compute/compile/row-projection.js';
import type { LinearOperator } from '../../src/curvature/linear-operator.js';
import { gaussianWidthLimit } from '../../src/geometry/gaussian-width.js';
import { LanczosRun } from '../../src/spectrum/lanczos.js';
import {
  type LanczosVectorsFactory,
  plainVectors,
  projectedVectors,
} from '../../src/spectrum/lanczos-vectors.js';
import { gaussRule } from '../../src/spectrum/quadrature.js';
import { leadingEigenvalues } from '../../src/spectrum/ritz.js';
import { estimateSpectrum } from '../../src/spectrum/slq.js';
import { hasNative, native } from '../compute/compile/support.js';
import { diagonalOperator, rotatedOperator, syntheticProblem } from './operators.js';

const storages: Record<'float64' | 'float32' | 'native', () => Promise<LanczosVectorsFactory>> = {
  float64: async () => (length) => plainVectors(length, 'float64'),
  float32: async () => (length) => plainVectors(length, 'float32'),
  native: async () => {
    const projector = await compileRowProjector(native);
    return (length) => projectedVectors(length, projector);
  },
};

/** What the square root of float32 rounding allows, and the growth of one step. */
const SEMI_ORTHOGONAL = 1e-3;

/** Rounds vector and product to float32, as the products of networks do. */
function inFloat32(operator: LinearOperator): LinearOperator {
  return {
    dim: operator.dim,
    apply: async (vector) =>
      Float64Array.from(
        Float32Array.from(await operator.apply(Float64Array.from(Float32Array.from(vector)))),
      ),
  };
}

/** Remembers the unit vectors it was given: the Lanczos basis. Others are there to measure rounding. */
function remembering(operator: LinearOperator): { operator: LinearOperator; vectors: Float64Array[] } {
  const vectors: Float64Array[] = [];
  return {
    operator: {
      dim: operator.dim,
      apply: (vector) => {
        if (Math.abs(Math.hypot(...vector) - 1) < 1e-3) {
          vectors.push(Float64Array.from(vector));
        }
        return operator.apply(vector);
      },
    },
    vectors,
  };
}

function largestOverlap(vectors: readonly Float64Array[]): number {
  let largest = 0;
  for (let i = 0; i < vectors.length; i++) {
    for (let j = 0; j < i; j++) {
      let overlap = 0;
      for (let k = 0; k < vectors[i].length; k++) {
        overlap += vectors[i][k] * vectors[j][k];
      }
      largest = Math.max(largest, Math.abs(overlap));
    }
  }
  return largest;
}

const uniformStart = (dim: number): Float64Array => new Float64Array(dim).fill(1 / Math.sqrt(dim));

const DIMENSION = 1024;
const spectra: Record<string, Float64Array> = {
  'a few far out': Float64Array.from({ length: DIMENSION }, (_, i) =>
    i < 10 ? 100 / 1.5 ** i : 0.5 * Math.cos(i) ** 3,
  ),
  'a gap of 10^5': Float64Array.from({ length: DIMENSION }, (_, i) =>
    i < 3 ? 1e4 * (i + 1) : Math.sin(i) / 10,
  ),
  clusters: Float64Array.from(
    { length: DIMENSION },
    (_, i) => (i < 40 ? 5 + (i % 4) : -1 + (i % 3)) + 1e-3 * Math.sin(i),
  ),
  'a network': syntheticProblem(7, DIMENSION).eigenvalues,
};

describe.each(Object.entries(spectra))('full reorthogonalisation, %s', (_, eigenvalues) => {
  it.each([
    ['float64 products, float64 storage', false, 'float64', 1e-6],
    ['float64 products, float32 storage', false, 'float32', SEMI_ORTHOGONAL],
    ['float32 products, float64 storage', true, 'float64', SEMI_ORTHOGONAL],
    ['float32 products, float32 storage', true, 'float32', SEMI_ORTHOGONAL],
    ...(hasNative ? ([['float32 products, native storage', true, 'native', SEMI_ORTHOGONAL]] as const) : []),
  ] as const)('%s: orthogonal, no ghosts, eigenvalues right', async (_, rounded, storage, tolerance) => {
    const exact = rotatedOperator(eigenvalues, 2);
    const { operator, vectors } = remembering(rounded ? inFloat32(exact) : exact);
    const run = new LanczosRun(operator, uniformStart(DIMENSION), {
      createVectors: await storages[storage](),
    });
    for (let step = 0; step < 150; step++) {
      await run.step();
    }
    expect(largestOverlap(vectors)).toBeLessThan(tolerance);
    // Cauchy interlacing: a ghost copy would push a Ritz value past the eigenvalue of its rank.
    const ritz = gaussRule(run).nodes;
    const sorted = eigenvalues.slice().sort();
    const radius = Math.max(...eigenvalues.map(Math.abs));
    const rounding = radius * (rounded || storage !== 'float64' ? 1e-6 : 1e-12);
    for (let i = 0; i < ritz.length; i++) {
      expect(ritz[i]).toBeGreaterThanOrEqual(sorted[i] - rounding);
      expect(ritz[ritz.length - 1 - i]).toBeLessThanOrEqual(sorted[DIMENSION - 1 - i] + rounding);
    }
    const found = leadingEigenvalues(run, 30);
    expect(found.length).toBeGreaterThan(2);
    for (const { value, residual } of found) {
      const distance = Math.min(...eigenvalues.map((eigenvalue) => Math.abs(eigenvalue - value)));
      expect(distance).toBeLessThanOrEqual(residual + rounding);
    }
  });
});

describe('the precision of the storage', () => {
  it('moves no limit', async () => {
    for (const seed of [400, 401, 402]) {
      const { eigenvalues, radiusSquared, epsilon } = syntheticProblem(seed, DIMENSION);
      const limits: number[] = [];
      for (const [rounded, storage] of [
        [false, 'float64'],
        [false, 'float32'],
        [true, 'float32'],
        ...(hasNative ? ([[true, 'native']] as const) : []),
      ] as const) {
        const exact = rotatedOperator(eigenvalues, seed);
        const { estimates } = await estimateSpectrum(rounded ? inFloat32(exact) : exact, {
          seed,
          probes: 1,
          functionals: { limit: (measure) => gaussianWidthLimit(measure, radiusSquared, epsilon) },
          decisive: 'limit',
          tolerance: 0,
          maximumSteps: 100,
          createVectors: await storages[storage](),
        });
        limits.push(estimates.limit.value);
      }
      for (const limit of limits.slice(1)) {
        expect(Math.abs(limit - limits[0])).toBeLessThan(1e-5);
      }
    }
  });

  it('leaves an exhausted Krylov space exact', async () => {
    const distinct = Array.from({ length: 24 }, (_, i) => Math.cos(i) * 10);
    const eigenvalues = Float64Array.from({ length: 1200 }, (_, i) => distinct[i % 24]);
    for (const precision of ['float64', 'float32'] as const) {
      const run = new LanczosRun(diagonalOperator(eigenvalues), uniformStart(1200), {
        createVectors: (length) => plainVectors(length, precision),
      });
      for (let step = 0; step < 60; step++) {
        await run.step();
      }
      expect([run.exhausted, run.steps]).toEqual([true, 24]);
      const { nodes, weights } = gaussRule(run);
      const digits = precision === 'float64' ? 10 : 6;
      [...distinct]
        .sort((a, b) => a - b)
        .forEach((value, i) => {
          expect(nodes[i]).toBeCloseTo(value, digits);
          expect(weights[i]).toBeCloseTo(1 / 24, digits);
        });
    }
  });

  it('is the same in every run', async () => {
    const coefficients = async (): Promise<number[][]> => {
      const run = new LanczosRun(rotatedOperator(spectra.clusters, 1), uniformStart(DIMENSION), {
        createVectors: (length) => plainVectors(length, 'float32'),
      });
      for (let step = 0; step < 60; step++) {
        await run.step();
      }
      return [run.alpha, run.beta];
    };
    expect(await coefficients()).toEqual(await coefficients());
  });
});
