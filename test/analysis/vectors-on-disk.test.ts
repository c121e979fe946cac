import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { basisNote, chooseLanczosSizes } from '../../src/analysis/budget.js';
import { diskRoom, fileRows, memoryOfDiskVectors } from '../../src/analysis/vectors-on-disk.js';
import { compileRowProjector } from '../../src/compute/compile/row-projection.js';
import { InputError } from '../../src/errors.js';
import { LanczosRun } from '../../src/spectrum/lanczos.js';
import {
  type LanczosVectorsFactory,
  memoryRows,
  projectedVectors,
} from '../../src/spectrum/lanczos-vectors.js';
import { hasNative, native } from '../compute/compile/support.js';
import { definedProjection } from '../spectrum/row-projection.js';
import { configWith } from './support.js';

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'prune-limit-vectors-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

function unitVector(length: number): Float64Array {
  return new Float64Array(length).fill(1 / Math.sqrt(length));
}

describe('Lanczos vectors on the disk', () => {
  it.each([
    ['as defined', async () => definedProjection],
    ...(hasNative ? [['by native programs', () => compileRowProjector(native)] as const] : []),
  ] as const)('give the bits of those in memory, and leave no file; projections %s', async (_, create) => {
    const folder = newFolder();
    const projection = await create();
    const dimension = 500;
    const operator = {
      dim: dimension,
      // Rounded like products in float32, so that vectors have to be made orthogonal.
      apply: async (vector: ArrayLike<number>) =>
        Float64Array.from(vector, (entry, i) => Math.fround(entry * (i < 5 ? 10 + i : Math.sin(i)))),
    };
    const onDisk = (stride: number, blockRows: number) => {
      const rows = fileRows(folder, stride, blockRows);
      onTestFinished(rows.dispose);
      return rows;
    };
    const runs = [memoryRows, onDisk].map((createRows) => {
      const createVectors: LanczosVectorsFactory = (length) =>
        projectedVectors(length, projection, 4, createRows);
      return new LanczosRun(operator, unitVector(dimension), { createVectors });
    });
    const newest: Float64Array[] = [];
    for (let step = 0; step < 40; step++) {
      await Promise.all(runs.map((run) => run.step()));
      newest.push(Float64Array.from(runs[1].vector(step)));
    }
    const [inMemory, inFile] = runs;
    expect(inFile.alpha).toEqual(inMemory.alpha);
    expect(inFile.beta).toEqual(inMemory.beta);
    expect(inMemory.position()).toEqual(inFile.position());
    for (const [index, vector] of newest.entries()) {
      expect(Float64Array.from(inMemory.vector(index))).toEqual(vector);
      expect(Float64Array.from(inFile.vector(index))).toEqual(vector);
    }
    const coefficients = Float64Array.from({ length: 37 }, (_, i) => Math.cos(i));
    expect(inFile.combination(coefficients)).toEqual(inMemory.combination(coefficients));
    if (process.platform !== 'win32') {
      expect(readdirSync(folder)).toEqual([]);
    }
  });

  it('hand out rows that stay as they are', () => {
    const rows = fileRows(newFolder(), 3, 4);
    onTestFinished(rows.dispose);
    const handedOut = [0, 1, 2, 3, 4, 5].map((index) => {
      rows.add().fill(index);
      return rows.row(index);
    });
    expect(handedOut.map((row) => [...row])).toEqual([0, 1, 2, 3, 4, 5].map((index) => Array(3).fill(index)));
    expect([...rows.block(0, 2)]).toEqual([0, 0, 0, 1, 1, 1]);
  });

  it('say where they cannot be kept, and what to do', () => {
    const missing = join(newFolder(), 'missing');
    const failing = () => fileRows(missing, 3, 4);
    expect(failing).toThrow(InputError);
    expect(failing).toThrow(/cannot be kept in .*missing \(.*\); make room there, raise --memory-limit/);
  });
});

describe('where the basis is kept', () => {
  const dimension = 25_000_000;
  const folder = { folder: '/scratch', bytes: 1e11 };
  const memory = memoryOfDiskVectors(dimension);
  const chosen = (
    basisBytes: number,
    disk: typeof folder | null,
    reorthogonalization: 'auto' | 'full' = 'auto',
    productOperations = 1e15,
  ) => {
    const config = configWith({ probes: 1, steps: 100, reorthogonalization });
    return chooseLanczosSizes(config, dimension, productOperations, basisBytes, 25, disk);
  };

  it('is memory where it fits, else a disk that has room, else nowhere, which is said', () => {
    expect(chosen(1e10, folder)).toMatchObject({ reorthogonalization: 'full', basisFolder: null });
    expect(basisNote(chosen(1e10, folder), folder)).toBeNull();
    const onDisk = { reorthogonalization: 'full', basisFolder: '/scratch', basisBytes: 1e10 };
    expect(chosen(memory, folder)).toMatchObject(onDisk);
    expect(chosen(memory, folder, 'full')).toMatchObject(onDisk);
    expect(basisNote(chosen(memory, folder), folder)).toBe(
      'the Lanczos vectors, up to 10 GB, do not fit into the memory limit: they are kept in /scratch until the end',
    );
    const full = { folder: '/scratch', bytes: 9e9 };
    for (const [bytes, disk, words] of [
      [
        memory,
        full,
        /fit neither into the memory limit nor into \/scratch \(9\.0 GB free\): going on without/,
      ],
      [memory, null, /nor into a folder on a disk: going on without/],
      [memory - 1, folder, /going on without reorthogonalisation/],
    ] as const) {
      const sizes = chosen(bytes, disk);
      expect(sizes).toMatchObject({ reorthogonalization: 'none', basisFolder: null, basisBytes: 0 });
      expect(basisNote(sizes, disk)).toMatch(words);
    }
  });

  it('is a disk only where reading it costs little beside the products', () => {
    // 2e9 operations a step of 40 on average, 250 times as slow, against 90 % of a product.
    expect(chosen(memory, folder, 'auto', 5.6e11).basisFolder).toBe('/scratch');
    const none = chosen(memory, folder, 'auto', 5.5e11);
    expect(none).toMatchObject({ reorthogonalization: 'none', missingBytes: null });
    expect(basisNote(none, folder)).toBeNull();
  });

  it('leaves room for a state beside it, as much at the beginning as when it is resumed', async () => {
    const temporary = newFolder();
    const begun = await diskRoom({ file: join(temporary, 'state'), bytes: 0 });
    expect(begun?.folder).toBe(temporary);
    const resumed = await diskRoom({ file: join(temporary, 'state'), bytes: 1e9 });
    // Of a disk that others write to, too.
    expect(Math.abs(resumed!.bytes - begun!.bytes - 5e8)).toBeLessThan(4e8);
    expect(await diskRoom({ file: join(temporary, 'missing', 'state'), bytes: 0 })).toBeNull();
  });
});
