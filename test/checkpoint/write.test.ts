import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CheckpointWeight, LayersCheckpoint, WeightStorage } from '../../src/checkpoint/checkpoint.js';
import { requireSpace } from '../../src/checkpoint/files.js';
import { decodeValues } from '../../src/checkpoint/quantization.js';
import { readCheckpoint, writeCheckpoint } from '../../src/checkpoint/registry.js';
import {
  bitsOf,
  directoryOf,
  expectInputError,
  modelJson,
  TOPOLOGY,
  temporaryDirectory,
} from './fixtures.js';

function checkpointOf(
  weights: CheckpointWeight[],
  overrides: Partial<LayersCheckpoint> = {},
): LayersCheckpoint {
  return {
    format: 'tfjs-layers',
    path: '',
    sha256: '',
    topology: TOPOLOGY,
    weights,
    metadata: {},
    manifestGroups: [weights.length],
    extra: {},
    ...overrides,
  };
}

function floats(name: string, ...values: number[]): CheckpointWeight {
  return { name, shape: [values.length], dtype: 'float32', values: Float32Array.from(values), storage: null };
}

const specialFloats = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1e-45, -1e-45, 2 ** -126, 65504, 2 ** -24, 3.4028234663852886e38),
);
const quantised = fc
  .record({
    storage: fc.oneof(
      fc.constant<WeightStorage>({ dtype: 'float16' }),
      fc.record({
        dtype: fc.constantFrom('uint8' as const, 'uint16' as const),
        scale: fc.double({ min: 1e-6, max: 1, noNaN: true }),
        min: fc.double({ min: -10, max: 10, noNaN: true }),
      }),
    ),
    codes: fc.array(fc.integer({ min: 0, max: 255 })),
  })
  .map(({ storage, codes }) => {
    const bytes = storage.dtype === 'uint8' ? Uint8Array.from(codes) : Uint16Array.from(codes);
    return { dtype: 'float32' as const, values: decodeValues(bitsOf(bytes), 'float32', storage), storage };
  });
const weight: fc.Arbitrary<Omit<CheckpointWeight, 'name' | 'shape'>> = fc.oneof(
  fc
    .array(specialFloats)
    .map((v) => ({ dtype: 'float32' as const, values: Float32Array.from(v), storage: null })),
  fc.array(specialFloats).map((v) => ({
    dtype: 'float32' as const,
    values: Float32Array.from(v),
    storage: { dtype: 'float16' as const },
  })),
  fc
    .int32Array()
    .map((values) => ({ dtype: 'int32' as const, values: Int32Array.from(values), storage: null })),
  fc
    .uint8Array({ max: 1 })
    .map((values) => ({ dtype: 'bool' as const, values: Uint8Array.from(values), storage: null })),
  quantised,
);

describe('writeCheckpoint', () => {
  it('writes what reads back bit for bit', async () => {
    const names = fc.uniqueArray(fc.string({ minLength: 1, unit: 'grapheme' }), { maxLength: 6 });
    const json = fc
      .dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }))
      .map((value) => JSON.parse(JSON.stringify(value)));
    const parts = fc.record({
      names,
      weights: fc.array(weight, { minLength: 6, maxLength: 6 }),
      split: fc.nat(6),
      json,
    });
    const directory = temporaryDirectory();
    await fc.assert(
      fc.asyncProperty(parts, async ({ names, weights, split, json }) => {
        const named = names.map((name, i) => ({
          ...weights[i]!,
          name,
          shape: [1, weights[i]!.values.length],
        }));
        const first = Math.min(split, named.length);
        const input = checkpointOf(named, {
          manifestGroups: split % 2 ? [named.length] : [first, named.length - first],
          metadata: json,
          extra: { convertedBy: null, trainingConfig: json },
        });
        await writeCheckpoint(input, directory);
        const output = await readCheckpoint(directory);
        expect(output.weights.map(({ name, shape, dtype }) => ({ name, shape, dtype }))).toEqual(
          named.map(({ name, shape, dtype }) => ({ name, shape, dtype })),
        );
        for (const [i, { values }] of output.weights.entries()) {
          expect(bitsOf(values)).toEqual(bitsOf(named[i]!.values));
        }
        expect({ ...output, path: '', sha256: '', weights: [] }).toEqual({ ...input, weights: [] });
      }),
      { numRuns: 60 },
    );
  });

  it('keeps quantised weights quantised until a value no longer fits', async () => {
    const storage: WeightStorage = { dtype: 'uint8', scale: 0.1, min: -1 };
    const values = decodeValues(Uint8Array.of(0, 3, 255), 'float32', storage);
    const kept: CheckpointWeight = { name: 'kept', shape: [3], dtype: 'float32', values, storage };
    const lost = { ...kept, name: 'lost', values: Float32Array.of(0, values[1]!, 0.123) };
    const half = { ...floats('half', 1, -0, 2 ** -24), storage: { dtype: 'float16' as const } };
    const directory = temporaryDirectory();
    await writeCheckpoint(checkpointOf([kept, lost, half]), directory);
    const output = await readCheckpoint(directory);
    expect(output.weights).toEqual([kept, { ...lost, storage: null }, half]);
    expect(readFileSync(join(directory, 'weights.bin'))).toHaveLength(3 + 12 + 6);
  });

  it('writes one shard a group, makes directories, and returns the paths', async () => {
    const directory = join(temporaryDirectory(), 'a/b');
    const two = checkpointOf([floats('x', 1), floats('y', 2)], {
      manifestGroups: [1, 1],
      extra: { generatedBy: 'g' },
    });
    expect(await writeCheckpoint(two, directory)).toEqual(
      ['group1-shard1of1.bin', 'group2-shard1of1.bin', 'model.json'].map((name) => join(directory, name)),
    );
    expect(readdirSync(directory).sort()).toEqual([
      'group1-shard1of1.bin',
      'group2-shard1of1.bin',
      'model.json',
    ]);
    expect(Object.keys(JSON.parse(readFileSync(join(directory, 'model.json'), 'utf8')))).toEqual([
      'format',
      'generatedBy',
      'modelTopology',
      'weightsManifest',
    ]);
  });

  it('writes a model without weights', async () => {
    const directory = temporaryDirectory();
    await writeCheckpoint(checkpointOf([], { manifestGroups: [] }), directory);
    expect((await readCheckpoint(directory)).weights).toEqual([]);
  });

  it('replaces files of another model, and a link instead of what it leads to', async () => {
    const other = directoryOf({ 'keep.bin': 'keep' });
    const directory = directoryOf({ 'model.json': 'old' });
    symlinkSync(join(other, 'keep.bin'), join(directory, 'weights.bin'));
    await writeCheckpoint(checkpointOf([floats('w', 5)]), directory);
    expect((await readCheckpoint(directory)).weights[0]!.values[0]).toBe(5);
    expect(readFileSync(join(other, 'keep.bin'), 'utf8')).toBe('keep');
  });

  it('refuses NaN', async () => {
    const directory = join(temporaryDirectory(), 'out');
    const writing = writeCheckpoint(checkpointOf([floats('w', 1, Number.NaN)]), directory);
    await expectInputError(writing, 'checkpoint/non-finite-weight', '"w" holds NaN at index [1]');
    expect(existsSync(directory)).toBe(false);
  });

  it('treats an inconsistent checkpoint as a defect of the program', async () => {
    const directory = temporaryDirectory();
    const wrongGroups = checkpointOf([floats('w', 1)], { manifestGroups: [2] });
    await expect(writeCheckpoint(wrongGroups, directory)).rejects.toThrow('manifestGroups counts 2');
    const wrongShape = checkpointOf([{ ...floats('w', 1), shape: [3] }]);
    await expect(writeCheckpoint(wrongShape, directory)).rejects.toThrow('weight w has 1 values');
  });
});

describe('protection of the input', () => {
  const spec = { name: 'w', shape: [1], dtype: 'float32' };

  it('refuses the folder of the input, also through a link', async () => {
    const directory = directoryOf({
      'model.json': modelJson([{ paths: ['weights.bin'], weights: [spec] }]),
      'weights.bin': Float32Array.of(1),
    });
    const link = join(temporaryDirectory(), 'link');
    symlinkSync(directory, link);
    const checkpoint = await readCheckpoint(directory);
    for (const target of [directory, link, join(directory, '../', basename(directory))]) {
      await expectInputError(writeCheckpoint(checkpoint, target), 'checkpoint/overwrites-input', target);
    }
    expect(readdirSync(directory).sort()).toEqual(['model.json', 'weights.bin']);
    await writeCheckpoint(checkpoint, join(directory, 'pruned'));
    expect((await readCheckpoint(join(directory, 'pruned'))).weights).toEqual(checkpoint.weights);
  });

  it('refuses a folder below that holds a shard of the input under the same name', async () => {
    const directory = directoryOf({
      'model.json': modelJson([{ paths: ['sub/weights.bin'], weights: [spec] }]),
      'sub/weights.bin': Float32Array.of(1),
    });
    const checkpoint = await readCheckpoint(directory);
    await expectInputError(
      writeCheckpoint(checkpoint, join(directory, 'sub')),
      'checkpoint/overwrites-input',
      'model.json',
    );
  });
});

describe('failures while writing', () => {
  it('removes the temporary files when a rename fails', async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'model.json'));
    const writing = writeCheckpoint(checkpointOf([floats('w', 1)]), directory);
    await expectInputError(writing, 'checkpoint/cannot-write', join(directory, 'model.json'), 'directory');
    expect(readdirSync(directory).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('names a file that is in the way of the directory', async () => {
    const file = join(temporaryDirectory(), 'file');
    writeFileSync(file, 'x');
    await expectInputError(writeCheckpoint(checkpointOf([]), file), 'checkpoint/cannot-write', file);
    await expectInputError(
      writeCheckpoint(checkpointOf([]), join(file, 'x')),
      'checkpoint/cannot-write',
      file,
    );
  });
});

it('a disk without room is refused before there is anything to write', async () => {
  const directory = temporaryDirectory();
  await requireSpace(join(directory, 'not/there/yet'), 1000);
  await expectInputError(requireSpace(join(directory, 'new'), 2 ** 60), 'output/no-space', 'make room');
});
