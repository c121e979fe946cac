import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { compileRowProjector } from '../../src/compute/compile/row-projection.js';
import { randomStream } from '../../src/random.js';
import { LanczosRun, type Reorthogonalization } from '../../src/spectrum/lanczos.js';
import { plainVectors, projectedVectors } from '../../src/spectrum/lanczos-vectors.js';
import { gaussRule } from '../../src/spectrum/quadrature.js';
import { leadingEigenvalues } from '../../src/spectrum/ritz.js';
import { spectralAverage } from '../../src/spectrum/spectral-measure.js';
import { tridiagonalEigenvectors } from '../../src/spectrum/tridiagonal.js';
import { hasNative, native } from '../compute/compile/support.js';
import { measureFromEigenvalues } from '../support/spectral-measures.js';
import { denseOperator, diagonalOperator, explicitMatrix, orthogonalRows, signVector } from './operators.js';

const uniformStart = (dim: number): Float64Array => new Float64Array(dim).fill(1 / Math.sqrt(dim));

async function runSteps(run: LanczosRun, steps: number): Promise<LanczosRun> {
  for (let i = 0; i < steps; i++) {
    await run.step();
  }
  return run;
}

function randomSymmetric(dim: number, seed: number): Float64Array[] {
  const random = randomStream(seed, 'symmetric');
  const rows = Array.from({ length: dim }, () => new Float64Array(dim));
  for (let i = 0; i < dim; i++) {
    for (let j = 0; j <= i; j++) {
      rows[i][j] = rows[j][i] = random.normal();
    }
  }
  return rows;
}

describe('LanczosRun', () => {
  it('gives a dense matrix its exact spectrum and measure after dim steps', async () => {
    const dim = 40;
    const rows = randomSymmetric(dim, 1);
    const run = await runSteps(new LanczosRun(denseOperator(rows), uniformStart(dim)), dim);
    expect(run.exhausted).toBe(true);
    const reference = new EigenvalueDecomposition(new Matrix(rows.map((row) => Array.from(row))), {
      assumeSymmetric: true,
    });
    const order = reference.realEigenvalues.map((value, index) => ({ value, index }));
    order.sort((a, b) => a.value - b.value);
    const { nodes, weights } = gaussRule(run);
    order.forEach(({ value, index }, i) => {
      const overlap = reference.eigenvectorMatrix.getColumn(index).reduce((sum, x) => sum + x, 0);
      expect(nodes[i]).toBeCloseTo(value, 10);
      expect(weights[i]).toBeCloseTo(overlap ** 2 / dim, 10);
    });
  });

  it.each<Reorthogonalization>(['full', 'none'])(
    'stops at an invariant subspace, where the measure is exact (%s)',
    async (reorthogonalization) => {
      const eigenvalues = Float64Array.from({ length: 300 }, (_, i) => [-2, 0, 0.5, 7][i % 4]);
      const run = new LanczosRun(diagonalOperator(eigenvalues), uniformStart(300), { reorthogonalization });
      await runSteps(run, 10);
      expect(run.exhausted).toBe(true);
      expect(run.steps).toBe(4);
      expect(run.beta[3]).toBe(0);
      const { nodes, weights } = gaussRule(run);
      [-2, 0, 0.5, 7].forEach((value, i) => {
        expect(nodes[i]).toBeCloseTo(value, 12);
        expect(weights[i]).toBeCloseTo(0.25, 12);
      });
    },
  );

  it('handles the zero operator and dimension 1', async () => {
    const zero = await runSteps(new LanczosRun(diagonalOperator(new Float64Array(5)), uniformStart(5)), 3);
    expect([zero.exhausted, zero.alpha, zero.beta]).toEqual([true, [0], [0]]);
    const one = await runSteps(new LanczosRun(diagonalOperator([3]), uniformStart(1)), 3);
    expect([one.exhausted, one.alpha]).toEqual([true, [3]]);
  });

  it('gives moments exactly to degree 2m - 1', async () => {
    const eigenvalues = Float64Array.from({ length: 200 }, (_, i) => Math.cos(i));
    const exact = measureFromEigenvalues(eigenvalues);
    for (const m of [1, 3, 8]) {
      const run = await runSteps(new LanczosRun(diagonalOperator(eigenvalues), uniformStart(200)), m);
      for (let degree = 0; degree < 2 * m; degree++) {
        const power = (x: number): number => x ** degree;
        expect(spectralAverage(gaussRule(run), power)).toBeCloseTo(spectralAverage(exact, power), 13);
      }
    }
  });

  describe('with a few eigenvalues far out', () => {
    const dim = 2000;
    const eigenvalues = Float64Array.from({ length: dim }, (_, i) =>
      i < 8 ? 100 / 1.5 ** i : 0.5 * Math.cos(i) ** 3,
    );
    const runs = {
      full: new LanczosRun(diagonalOperator(eigenvalues), uniformStart(dim)),
      float32: new LanczosRun(diagonalOperator(eigenvalues), uniformStart(dim), {
        createVectors: (length) => plainVectors(length, 'float32'),
      }),
      none: new LanczosRun(diagonalOperator(eigenvalues), uniformStart(dim), {
        reorthogonalization: 'none',
      }),
    };
    const done = Promise.all(Object.values(runs).map((run) => runSteps(run, 120)));

    it('the same spectral average with and without reorthogonalisation', async () => {
      await done;
      const f = (x: number): number => 1 / (1 + 3 * x * x);
      const exact = spectralAverage(measureFromEigenvalues(eigenvalues), f);
      for (const run of Object.values(runs)) {
        expect(spectralAverage(gaussRule(run), f)).toBeCloseTo(exact, 7);
      }
    });

    it('ghost copies appear without, are merged, and leave the eigenvalues right', async () => {
      await done;
      const none = leadingEigenvalues(runs.none, 8);
      expect(none.some(({ copies }) => copies > 1)).toBe(true);
      for (const run of Object.values(runs)) {
        leadingEigenvalues(run, 8).forEach(({ value, residual }, i) => {
          const rounding = run === runs.float32 ? 1e-6 : 1e-10;
          expect(Math.abs(value - eigenvalues[i])).toBeLessThanOrEqual(residual + rounding);
          expect(residual).toBeLessThan(1e-6);
        });
      }
      for (const run of [runs.full, runs.float32]) {
        expect(leadingEigenvalues(run, 8).every(({ copies }) => copies === 1)).toBe(true);
      }
    });
  });

  it.each([
    ['in float64', async () => (length: number) => plainVectors(length, 'float64'), 1e-12],
    ['in float32', async () => (length: number) => plainVectors(length, 'float32'), 1e-5],
    ...(hasNative
      ? ([
          [
            'by native projections, in blocks',
            async () => {
              const projector = await compileRowProjector(native);
              return (length: number) => projectedVectors(length, projector, 5);
            },
            1e-5,
          ],
        ] as const)
      : []),
  ] as const)(
    'combines its vectors to f(H) times the start vector, kept %s',
    async (_, factory, tolerance) => {
      const dim = 40;
      const values = Float64Array.from({ length: dim }, (_, i) => 3 * Math.cos(i));
      const eigenvectors = orthogonalRows(dim, 2);
      const start = signVector(dim, 1);
      const operator = denseOperator(explicitMatrix(values, eigenvectors));
      const run = await runSteps(new LanczosRun(operator, start, { createVectors: await factory() }), dim);
      const coefficientsOf = (f: (value: number) => number): Float64Array => {
        const { values: ritz, rows } = tridiagonalEigenvectors(run.alpha, run.beta);
        return Float64Array.from(rows, (row) =>
          row.reduce((sum, entry, j) => sum + entry * f(ritz[j]) * rows[0][j], 0),
        );
      };
      const unit = run.combination(Float64Array.of(1))!;
      unit.forEach((entry, i) => {
        expect(Math.abs(entry - start[i])).toBeLessThan(tolerance);
      });
      for (const f of [(x: number) => x, (x: number) => 1 / (1 + 2 * Math.abs(x)), Math.exp]) {
        const expected = explicitMatrix(values.map(f), eigenvectors).map((row) =>
          row.reduce((sum, entry, i) => sum + entry * start[i], 0),
        );
        const size = Math.max(...values.map(f).map(Math.abs));
        run.combination(coefficientsOf(f))!.forEach((entry, i) => {
          expect(Math.abs(entry - expected[i])).toBeLessThan(tolerance * size);
        });
      }
      const short = new LanczosRun(operator, start, { reorthogonalization: 'none' });
      expect((await runSteps(short, 5)).combination(Float64Array.of(1))).toBeNull();
    },
  );

  it('says what is wrong', async () => {
    expect(() => new LanczosRun(diagonalOperator([1, 2]), uniformStart(3))).toThrow('length 2, got 3');
    expect(() => new LanczosRun(diagonalOperator([1, 2]), Float64Array.of(1, 1))).toThrow('unit norm');
    const broken = new LanczosRun(diagonalOperator([1, Number.NaN]), uniformStart(2));
    await expect(broken.step()).rejects.toThrow('not finite');
  });
});
