/**
 * Whether the stated 95 % intervals hold the exact limits: on synthetic
 * spectra and on trained networks whose matrix is formed. The quick form runs
 * with the other tests; `npm run bench -- --coverage` runs at least 200 a set
 * of options on more and larger networks and prints the table that stands in
 * `src/spectrum/uncertainty.ts`.
 */
import { existsSync } from 'node:fs';
import Table from 'cli-table3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Disposable, ResourceScope } from '../../src/analysis/resources.js';
import { gaussianWidthLimit } from '../../src/geometry/gaussian-width.js';
import { sharpLimit } from '../../src/geometry/sharp-limit.js';
import type { CurvatureKind } from '../../src/programs/curvature-products.js';
import type { LanczosKeeper, LanczosRecord } from '../../src/spectrum/lanczos-record.js';
import { estimateSpectrum, type SpectrumOptions } from '../../src/spectrum/slq.js';
import { clippedMeasure, type SpectralMeasure } from '../../src/spectrum/spectral-measure.js';
import { sufficientProbes } from '../../src/spectrum/uncertainty.js';
import { keeperIn } from './kept-runs.js';
import { rotatedOperator, syntheticProblem } from './operators.js';
import {
  type CurvatureProblem,
  exactOf,
  formCurvature,
  largeCases,
  networkCases,
  settledCurvature,
} from './trained-networks.js';

/** Set by the benchmark. */
const thorough = process.env.PRUNE_LIMIT_COVERAGE === 'thorough';
const NETWORKS = thorough ? networkCases : [networkCases[0], networkCases[2]];
const SYNTHETIC = thorough ? { problems: 3, dimension: 2048 } : { problems: 1, dimension: 512 };
const LARGE = thorough ? largeCases.filter(({ checkpoint }) => existsSync(checkpoint)) : [];
/** Seeds a problem; fewer where the matrix is not formed. */
const SEEDS = thorough ? { formed: 20, large: 12 } : { formed: 5, large: 0 };
const TIMEOUT = thorough ? 3_600_000 : 120_000;

/** A set of options of `analyze` as the spectrum knows them; the limit it is about is the decisive one. */
interface OptionSet {
  name: string;
  curvature?: CurvatureKind;
  options?: Partial<Omit<SpectrumOptions<'limit'>, 'functionals' | 'decisive' | 'seed'>>;
  limit?: typeof gaussianWidthLimit;
}

/** The default `--tolerance`, as a fraction. */
const TOLERANCE = 0.01;

/**
 * What runs that are hard to settle may take: the quick form ends them earlier, and looks at them less often, which
 * takes most of the time; their intervals must hold all the same.
 */
const budget = thorough ? {} : { maximumSteps: 160, checkEvery: 30 };

const optionSets: readonly OptionSet[] = [
  { name: 'default' },
  { name: '--tolerance 0.1', options: { tolerance: 1e-3, ...budget } },
  // Steps do little for one probe; 300 of them would take as long as all the rest.
  { name: '--probes 1', options: { probes: 1, addProbes: false, maximumSteps: 120 } },
  { name: '--curvature ggn', curvature: 'ggn' },
  { name: '--negative clip', options: { negativeEigenvalues: 'clip', ...budget } },
  { name: '--bound sharp', limit: sharpLimit, options: budget },
  { name: '--reorthogonalization none', options: { reorthogonalization: 'none', ...budget } },
];

interface Row {
  name: string;
  runs: number;
  held: number;
  settled: number;
  halfWidth: number;
  rootMeanSquare: number;
  products: number;
}

function syntheticCurvature(seed: number): Record<CurvatureKind, CurvatureProblem> {
  const { eigenvalues, radiusSquared, epsilon } = syntheticProblem(seed, SYNTHETIC.dimension);
  const positive = eigenvalues.map((value) => Math.max(0, value));
  return {
    hessian: {
      operator: rotatedOperator(eigenvalues, seed),
      exact: exactOf(eigenvalues),
      radiusSquared,
      epsilon,
    },
    ggn: {
      operator: { ...rotatedOperator(positive, seed), positiveSemidefinite: true },
      exact: exactOf(positive),
      radiusSquared,
      epsilon,
    },
  };
}

/** Runs of the quick form by matrix, seed and probe: sets of options that have them in common carry them out once. */
const keptRuns = new Map<string, Map<number, LanczosRecord>>();

function keeperOf(key: string): LanczosKeeper {
  const kept = keptRuns.get(key) ?? new Map<number, LanczosRecord>();
  keptRuns.set(key, kept);
  return keeperIn(kept, { atEndAlone: true });
}

async function coverageOf(
  set: OptionSet,
  problems: readonly Record<CurvatureKind, CurvatureProblem>[],
): Promise<Row> {
  const row: Row = {
    name: set.name,
    runs: 0,
    held: 0,
    settled: 0,
    halfWidth: 0,
    rootMeanSquare: 0,
    products: 0,
  };
  for (const [index, problem] of problems.entries()) {
    const { operator, radiusSquared, epsilon, createVectors, ...known } = problem[set.curvature ?? 'hessian'];
    const counted =
      set.options?.negativeEigenvalues === 'clip' ? clippedMeasure : (measure: SpectralMeasure) => measure;
    const limit = (measure: SpectralMeasure): number =>
      (set.limit ?? gaussianWidthLimit)(counted(measure), radiusSquared, epsilon);
    const exact = known.exact(limit, set.options?.negativeEigenvalues ?? 'abs');
    const tolerance = set.options?.tolerance ?? TOLERANCE;
    const matrix = `${index} ${set.curvature ?? 'hessian'} ${set.options?.reorthogonalization ?? 'full'}`;
    const seeds = createVectors === undefined ? SEEDS.formed : SEEDS.large;
    for (let seed = 0; seed < seeds; seed++) {
      const { estimates, products } = await estimateSpectrum(operator, {
        seed,
        probes: sufficientProbes(operator.dim, tolerance),
        tolerance,
        createVectors,
        ...(!thorough && { keeper: keeperOf(`${matrix} ${seed}`) }),
        ...set.options,
        functionals: { limit },
        decisive: 'limit',
      });
      const { value, low, high, halfWidth, settled } = estimates.limit;
      row.runs++;
      // Pruning knows no fraction finer than 1/D.
      const grain = 1 / operator.dim;
      row.held += low - grain <= exact && exact <= high + grain ? 1 : 0;
      row.settled += settled ? 1 : 0;
      row.halfWidth += 100 * halfWidth;
      row.rootMeanSquare += (100 * (value - exact)) ** 2;
      row.products += products;
    }
    if (thorough) {
      console.log(
        `${set.name}, ${index + 1} of ${problems.length} problems: held ${row.held} of ${row.runs}, ` +
          `${row.products} products`,
      );
    }
  }
  row.halfWidth /= row.runs;
  row.rootMeanSquare = Math.sqrt(row.rootMeanSquare / row.runs);
  row.products /= row.runs;
  return row;
}

function print(rows: readonly Row[]): void {
  const table = new Table({
    head: ['options', 'runs', 'held', 'half-width', 'rms error', 'ratio', 'settled', 'products'],
    style: { head: [], border: [] },
  });
  for (const { name, runs, held, settled, halfWidth, rootMeanSquare, products } of rows) {
    table.push([
      name,
      runs,
      `${((100 * held) / runs).toFixed(1)} %`,
      halfWidth.toFixed(2),
      rootMeanSquare.toFixed(2),
      (halfWidth / rootMeanSquare).toFixed(2),
      `${((100 * settled) / runs).toFixed(0)} %`,
      products.toFixed(0),
    ]);
  }
  console.log(table.toString());
}

describe('95 % intervals of limits', () => {
  const owned: Disposable[] = [];
  const scope: ResourceScope = {
    own: (resource) => {
      owned.push(resource);
      return resource;
    },
  };
  const problems: Record<CurvatureKind, CurvatureProblem>[] = [];
  const rows: Row[] = [];

  beforeAll(async () => {
    for (let i = 0; i < SYNTHETIC.problems; i++) {
      problems.push(syntheticCurvature(400 + i));
    }
    for (const networkCase of NETWORKS) {
      problems.push(await formCurvature(networkCase, ['hessian', 'ggn']));
    }
    for (const largeCase of LARGE) {
      const hessian = await settledCurvature(largeCase, 'hessian', scope);
      problems.push({ hessian, ggn: await settledCurvature(largeCase, 'ggn', scope) });
    }
  }, TIMEOUT);

  afterAll(() => {
    for (const resource of owned.reverse()) {
      resource.dispose();
    }
    if (thorough) {
      print(rows);
    }
  });

  it.each(optionSets)(
    '$name',
    async (set) => {
      const row = await coverageOf(set, problems);
      rows.push(row);
      // 15 runs with a chance of 0.95 each hold 12 or more with probability 0.995.
      expect(row.held / row.runs).toBeGreaterThanOrEqual(thorough ? 0.93 : 0.8);
      if (set.name === 'default') {
        expect(row.halfWidth / row.rootMeanSquare).toBeLessThan(thorough ? 2.2 : 3);
      }
    },
    TIMEOUT,
  );
});
