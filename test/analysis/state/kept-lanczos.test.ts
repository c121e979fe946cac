/** Lanczos runs in a state: which vectors are kept of them, and what a next run makes of it. */
import { expect, it } from 'vitest';
import type { AnalysisState } from '../../../src/analysis/state/analysis-state.js';
import { stateLanczos } from '../../../src/analysis/state/kept-lanczos.js';
import type { LinearOperator } from '../../../src/curvature/linear-operator.js';
import { plainVectors, recentVectors } from '../../../src/spectrum/lanczos-vectors.js';
import { estimateSpectrum } from '../../../src/spectrum/slq.js';
import { spectralAverage } from '../../../src/spectrum/spectral-measure.js';

const DIMENSION = 80;
const eigenvalues = Float64Array.from(
  { length: DIMENSION },
  (_, i) => Math.exp(-i / 9) * (i % 3 === 2 ? -1 : 1),
);

/** An operator in float32 that counts its products, and fails after so many. */
function operatorFailingAfter(most = Number.POSITIVE_INFINITY): LinearOperator & { products: number } {
  const operator = {
    dim: DIMENSION,
    products: 0,
    apply: async (vector: Float32Array | Float64Array) => {
      if (operator.products === most) {
        throw new Error('stopped');
      }
      operator.products++;
      return Float64Array.from(vector, (entry, i) => Math.fround(entry * eigenvalues[i]));
    },
  };
  return operator;
}

/** A state in memory that writes when it may. */
function memoryState({ keeps = false, due = true, affords = true } = {}) {
  const kept = new Map<string, Uint8Array>();
  const stops: (() => void)[] = [];
  const state: AnalysisState = {
    keepsAfterwards: keeps,
    bytes: 0,
    file: {
      sizeOf: (key) => kept.get(key)?.length ?? null,
      read: async (key) => kept.get(key) ?? null,
      put: (key, parts) => kept.set(key, Buffer.concat(parts)),
      forget: (key) => kept.delete(key),
    },
    isDue: async () => due,
    affords: () => affords,
    recall: (_key, _form, compute) => compute(),
    write: async () => {},
    onWrite: () => {},
    onStop: (put) => stops.push(put),
    flush: async () => {
      for (const put of stops) {
        put();
      }
    },
    finish: async () => {},
  };
  const vectors = (): number => [...kept.values()].filter(({ length }) => length === 4 * DIMENSION).length;
  return { state, kept, vectors };
}

function spectrum(
  operator: LinearOperator,
  state: AnalysisState | null,
  full: boolean,
  probes = 1,
  tolerance = 1e-9,
) {
  return estimateSpectrum(operator, {
    ...{ seed: 2, probes, addProbes: false, maximumSteps: 24, minimumSteps: 8, checkEvery: 8, tolerance },
    reorthogonalization: full ? 'full' : 'none',
    createVectors: (length, keep) =>
      keep === 'all' ? plainVectors(length, 'float32') : recentVectors(length, 'float32'),
    functionals: { value: (measure) => spectralAverage(measure, (node) => Math.abs(node)) },
    decisive: 'value',
    ...(state && { keeper: stateLanczos(state, 'operator', DIMENSION, full) }),
  });
}

it.each([
  [true, 24],
  [false, 2],
] as const)('all vectors are kept where they are orthogonalised (%s), else two', async (full, vectors) => {
  const memory = memoryState();
  const expected = await spectrum(operatorFailingAfter(), null, full);
  expect(await spectrum(operatorFailingAfter(), memory.state, full)).toEqual(expected);
  expect(memory.vectors()).toBe(vectors);
  const again = operatorFailingAfter();
  expect(await spectrum(again, memory.state, full)).toEqual(expected);
  expect(again.products).toBe(0);
});

it.each([true, false])(
  'without time for vectors, coefficients are kept at the end (orthogonalised: %s)',
  async (full) => {
    const memory = memoryState({ due: false, affords: false });
    const expected = await spectrum(operatorFailingAfter(), memory.state, full);
    expect([memory.vectors(), memory.kept.size]).toEqual([0, 1]);
    const again = operatorFailingAfter();
    expect(await spectrum(again, memory.state, full)).toEqual(expected);
    expect(again.products).toBe(0);
    const asked = memoryState({ due: false, affords: false, keeps: true });
    await spectrum(operatorFailingAfter(), asked.state, full);
    expect(asked.vectors()).toBe(full ? 24 : 2);
  },
);

it.each([
  [true, 1],
  [true, 2],
  [false, 1],
  [false, 2],
] as const)(
  'an interruption in a step keeps those before it (orthogonalised: %s, probes: %i)',
  async (full, probes) => {
    const memory = memoryState({ due: false });
    const inner = operatorFailingAfter();
    const interrupted = {
      ...inner,
      apply: async (vector: Float32Array | Float64Array) => {
        if (inner.products === 15 * probes) {
          await memory.state.flush();
          throw new Error('interrupted');
        }
        return inner.apply(vector);
      },
    };
    await expect(spectrum(interrupted, memory.state, full, probes)).rejects.toThrow('interrupted');
    const expected = await spectrum(operatorFailingAfter(), null, full, probes);
    const again = operatorFailingAfter();
    expect(await spectrum(again, memory.state, full, probes)).toEqual(expected);
    expect(again.products).toBe(expected.products - 15 * probes);
  },
);

it.each([
  [true, 1],
  [true, 2],
  [false, 1],
  [false, 2],
] as const)(
  'what is missing or none of a run is computed anew (orthogonalised: %s, probes: %i)',
  async (full, probes) => {
    const memory = memoryState();
    await spectrum(operatorFailingAfter(15 * probes), memory.state, full, probes).catch(() => {});
    const expected = await spectrum(operatorFailingAfter(), null, full, probes);
    for (const key of memory.kept.keys()) {
      const damaged = memoryState();
      for (const [other, content] of memory.kept) {
        damaged.kept.set(other, content);
      }
      damaged.kept.delete(key);
      expect(await spectrum(operatorFailingAfter(), damaged.state, full, probes)).toEqual(expected);
      const content = memory.kept.get(key)!;
      const shorter = new Map(memory.kept).set(key, content.subarray(8));
      damaged.kept.clear();
      for (const [other, bytes] of shorter) {
        damaged.kept.set(other, bytes);
      }
      expect(await spectrum(operatorFailingAfter(), damaged.state, full, probes)).toEqual(expected);
    }
  },
);
