/** Runs that go on from what others kept: to the same bits, at no product for steps that were done. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { LinearOperator } from '../../src/curvature/linear-operator.js';
import { randomStream } from '../../src/random.js';
import type { LanczosRecord } from '../../src/spectrum/lanczos-record.js';
import {
  type LanczosVectorsFactory,
  plainVectors,
  recentVectors,
} from '../../src/spectrum/lanczos-vectors.js';
import { estimateSpectrum, type SpectrumOptions } from '../../src/spectrum/slq.js';
import { spectralAverage } from '../../src/spectrum/spectral-measure.js';
import { keeperIn } from './kept-runs.js';
import { denseOperator, diagonalOperator, orthogonalRows } from './operators.js';

/** Products in float32, as those of a network, counted; fails after so many. */
function counted(operator: LinearOperator, most = Number.POSITIVE_INFINITY) {
  const count = { products: 0 };
  const apply = async (vector: Float32Array | Float64Array): Promise<Float64Array> => {
    if (count.products >= most) {
      throw new Error('stopped');
    }
    count.products++;
    return Float64Array.from(Float32Array.from(await operator.apply(vector)));
  };
  return { count, operator: { ...operator, apply } };
}

const DIMENSION = 60;

/** A spectrum with clusters, zeros and both signs, in coordinates of its own. */
function mixedOperator(): LinearOperator {
  const random = randomStream(3, 'spectrum');
  const eigenvalues = Float64Array.from({ length: DIMENSION }, (_, i) =>
    i < 20 ? 0 : i < 50 ? Math.exp(3 * random.normal()) : -random.uniform(),
  );
  const rows = orthogonalRows(DIMENSION, 4);
  const matrix = Array.from({ length: DIMENSION }, (_, i) =>
    Float64Array.from({ length: DIMENSION }, (_, j) =>
      rows.reduce((sum, row, k) => sum + eigenvalues[k] * row[i] * row[j], 0),
    ),
  );
  return denseOperator(matrix);
}

const inFloat32: LanczosVectorsFactory = (length, keep) =>
  keep === 'all' ? plainVectors(length, 'float32') : recentVectors(length, 'float32');

function options(changes: Partial<SpectrumOptions<'value'>> = {}): SpectrumOptions<'value'> {
  return {
    seed: 1,
    probes: 2,
    maximumSteps: 40,
    minimumSteps: 6,
    checkEvery: 4,
    createVectors: inFloat32,
    functionals: {
      value: (measure) => spectralAverage(measure, (node) => Math.abs(node) / (1 + Math.abs(node))),
    },
    decisive: 'value',
    tolerance: 1e-3,
    ...changes,
  };
}

const mixed = mixedOperator();

it.each(['full', 'none'] as const)(
  'a run that was stopped after any product goes on to the same bits: %s',
  async (how) => {
    const asked = options({ reorthogonalization: how, tolerance: 0.02 });
    const whole = counted(mixed);
    const expected = await estimateSpectrum(whole.operator, asked);
    expect(expected.products).toBeGreaterThan(20);
    for (let most = 0; most < whole.count.products; most += 11) {
      const kept = new Map<number, LanczosRecord>();
      const first = counted(mixed, most);
      await expect(estimateSpectrum(first.operator, { ...asked, keeper: keeperIn(kept) })).rejects.toThrow(
        'stopped',
      );
      const second = counted(mixed);
      expect(await estimateSpectrum(second.operator, { ...asked, keeper: keeperIn(kept) })).toEqual(expected);
      // What is lost is a step that was under way.
      expect(first.count.products + second.count.products).toBeLessThanOrEqual(whole.count.products + 4);
    }
  },
);

it('runs that found an invariant subspace, and probes that came later', async () => {
  const few = diagonalOperator(Float64Array.from({ length: 30 }, (_, i) => (i % 5) - 1));
  const asked = options({ tolerance: 1e-9, maximumProducts: 300 });
  const whole = counted(few);
  const expected = await estimateSpectrum(whole.operator, asked);
  expect(expected.exhausted).toBe(true);
  const more = options({
    tolerance: 0.03,
    reorthogonalization: 'none',
    maximumProducts: 400,
    maximumSteps: 30,
  });
  const late = counted(mixed);
  const withLate = await estimateSpectrum(late.operator, more);
  expect(withLate.probes).toBeGreaterThan(2);
  for (const [operator, all, settings, result] of [
    [few, whole, asked, expected],
    [mixed, late, more, withLate],
  ] as const) {
    for (let most = 1; most < all.count.products; most += Math.ceil(all.count.products / 4)) {
      const kept = new Map<number, LanczosRecord>();
      await estimateSpectrum(counted(operator, most).operator, { ...settings, keeper: keeperIn(kept) }).catch(
        () => {},
      );
      expect(await estimateSpectrum(operator32(operator), { ...settings, keeper: keeperIn(kept) })).toEqual(
        result,
      );
    }
  }
});

function operator32(operator: LinearOperator): LinearOperator {
  return counted(operator).operator;
}

it('another tolerance or more steps: only what is new costs products', async () => {
  const asked = options({ tolerance: 0.05, addProbes: false });
  for (const changes of [{ tolerance: 0.2 }, { tolerance: 1e-6 }, { tolerance: 1e-6, maximumSteps: 55 }]) {
    const kept = new Map<number, LanczosRecord>();
    const before = counted(mixed);
    await estimateSpectrum(before.operator, { ...asked, keeper: keeperIn(kept) });
    const whole = counted(mixed);
    const expected = await estimateSpectrum(whole.operator, { ...asked, ...changes });
    const second = counted(mixed);
    const result = await estimateSpectrum(second.operator, { ...asked, ...changes, keeper: keeperIn(kept) });
    expect(result).toEqual(expected);
    expect(second.count.products).toBe(Math.max(0, whole.count.products - before.count.products));
  }
});

it.each([1, 2])('coefficients that are ahead of the vectors: %i probes', async (probes) => {
  const asked = options({ tolerance: 0.05, addProbes: false, probes });
  const early = new Map<number, LanczosRecord>();
  await estimateSpectrum(counted(mixed, 6 * probes).operator, { ...asked, keeper: keeperIn(early) }).catch(
    () => {},
  );
  const kept = new Map(early);
  const before = await estimateSpectrum(operator32(mixed), {
    ...asked,
    keeper: keeperIn(kept, { coefficientsAlone: true }),
  });
  expect(kept.get(0)!.alpha.length).toBeGreaterThan(kept.get(0)!.position!.steps);
  const again = counted(mixed);
  expect(await estimateSpectrum(again.operator, { ...asked, keeper: keeperIn(new Map(kept)) })).toEqual(
    before,
  );
  // One probe is known by its coefficients; what two say of each other takes their vectors.
  expect(again.count.products > 0).toBe(probes > 1);
  for (const changes of [{ tolerance: 1e-6 }, { probes: 2, tolerance: 1e-6 }]) {
    const more = counted(mixed);
    const keeper = keeperIn(new Map(kept));
    expect(await estimateSpectrum(more.operator, { ...asked, ...changes, keeper })).toEqual(
      await estimateSpectrum(operator32(mixed), { ...asked, ...changes }),
    );
    expect(more.count.products).toBeGreaterThan(0);
  }
});

it('vectors and numbers that are none of the run are refused', async () => {
  const asked = options({ tolerance: 0.05, addProbes: false });
  const kept = new Map<number, LanczosRecord>();
  await estimateSpectrum(counted(mixed, 12).operator, { ...asked, keeper: keeperIn(kept) }).catch(() => {});
  const record = kept.get(0)!;
  const position = record.position!;
  for (const wrong of [
    { vector: async () => new Float32Array(DIMENSION - 1) },
    { position: { ...position, numbers: position.numbers.slice(1) } },
    { position: { ...position, steps: position.steps - 1 } },
  ]) {
    await expect(
      estimateSpectrum(operator32(mixed), {
        ...asked,
        keeper: keeperIn(new Map([[0, { ...record, ...wrong }]])),
      }),
    ).rejects.toThrow(/is none of this run|are no position/);
  }
});

it('property: any spectrum, stopped twice', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: 2, maxLength: 25 }),
      fc.constantFrom('full' as const, 'none' as const),
      fc.integer({ min: 0, max: 30 }),
      fc.integer({ min: 0, max: 30 }),
      async (eigenvalues, reorthogonalization, most, then) => {
        const operator = diagonalOperator(eigenvalues);
        const asked = options({ reorthogonalization, tolerance: 0.01 });
        const expected = await estimateSpectrum(operator32(operator), asked);
        const kept = new Map<number, LanczosRecord>();
        for (const stop of [most, then]) {
          await estimateSpectrum(counted(operator, stop).operator, {
            ...asked,
            keeper: keeperIn(kept),
          }).catch(() => {});
        }
        expect(await estimateSpectrum(operator32(operator), { ...asked, keeper: keeperIn(kept) })).toEqual(
          expected,
        );
      },
    ),
    { numRuns: 60 },
  );
});
