import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readDataset } from '../../src/dataset/registry.js';
import { directoryWith, expectInputError, fileWith, idx, npy, npz } from './support.js';

const ARCHIVE = npz({
  x_train: npy('|u1', [1, 2], Uint8Array.of(1, 2)),
  y_train: npy('|u1', [1], Uint8Array.of(0)),
});

describe('readDataset', () => {
  it('reads the one archive of a directory', async () => {
    const directory = directoryWith({ 'data.npz': ARCHIVE, 'readme.md': 'hello' });
    const { format, path } = await readDataset(directory);
    expect({ format, path }).toEqual({ format: 'npz', path: directory });
  });

  it('reads text as CSV whatever its name', async () => {
    expect((await readDataset(fileWith('table.txt', 'a,y\n1,0\n'))).format).toBe('csv');
  });

  it.each<[string, string, Uint8Array | string, RegExp]>([
    ['an empty file', 'dataset/empty', '', /is empty; give a directory of IDX/],
    ['a single .npy', 'dataset/format', npy('|u1', [1], Uint8Array.of(1)), /no labels/],
    ['a single IDX file', 'dataset/format', idx([1, 1], [1]), /give the directory/],
    ['a single gzip file', 'dataset/format', gzipSync('a'), /give the directory/],
    ['other bytes', 'dataset/format', Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0), /not a data format/],
  ])('refuses %s', async (_title, code, content, words) => {
    const path = fileWith('data', content);
    await expectInputError(() => readDataset(path), code, words, path);
  });

  it('refuses a path where nothing is', async () => {
    const path = join(directoryWith({}), 'nothing');
    await expectInputError(() => readDataset(path), 'dataset/missing', path, '--data');
  });

  it('refuses what is neither a file nor a directory', async () => {
    await expectInputError(() => readDataset('/dev/null'), 'dataset/not-a-file', '/dev/null');
  });

  it.each<[string, string, Record<string, Uint8Array | string>, RegExp]>([
    ['nothing', 'dataset/format', {}, /holds no files/],
    ['other things', 'dataset/format', { 'a.png': 'x', 'b.png': 'x' }, /holds a\.png, b\.png/],
    [
      'several CSV files',
      'dataset/format',
      { 'a.csv': 'a,y\n1,0\n', 'b.csv': 'a,y\n1,0\n' },
      /a\.csv, b\.csv/,
    ],
    ['two formats', 'dataset/ambiguous', { 'a.csv': 'a,y\n1,0\n', 'a.npz': ARCHIVE }, /npz and CSV/],
  ])('refuses a directory with %s', async (_title, code, files, words) => {
    const directory = directoryWith(files);
    await expectInputError(() => readDataset(directory), code, words, directory);
  });

  it('refuses options that mean nothing for the format', async () => {
    const archive = fileWith('d.npz', ARCHIVE);
    await expectInputError(
      () => readDataset(archive, { labelColumn: 'y' }),
      'dataset/option',
      /--label-column.*npz/,
    );
    const table = fileWith('d.csv', 'a,y\n1,0\n');
    await expectInputError(() => readDataset(table, { layout: 'NCHW' }), 'dataset/option', /--layout.*CSV/);
  });
});
