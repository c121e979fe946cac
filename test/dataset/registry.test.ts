import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
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
    ['an empty file', 'dataset/empty', '', /is empty; give IDX files/],
    ['a single .npy', 'dataset/format', npy('|u1', [1], Uint8Array.of(1)), /no labels/],
    ['a single IDX file', 'dataset/format', idx([1, 1], [1]), /give the directory/],
    ['a single gzip file', 'dataset/format', gzipSync(idx([1, 1], [1])), /give the directory/],
    ['other bytes', 'dataset/format', Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0), /not a data format/],
  ])('refuses %s', async (_title, code, content, words) => {
    const path = fileWith('data', content);
    await expectInputError(() => readDataset(path), code, words, path);
  });

  const utf16 = (text: string, mark = ''): Uint8Array => Buffer.from(mark + text, 'utf16le');
  const FOREIGN: [string, string, Uint8Array | string, RegExp][] = [
    ['UTF-16', 'd.csv', utf16('a,b,label\n1,2,0\n', '\ufeff'), /is UTF-16 text; save it as UTF-8/],
    ['big-endian UTF-16', 'd.csv', Buffer.from(utf16('a,y\n1,0\n', '\ufeff')).swap16(), /is UTF-16 text/],
    ['UTF-16 without mark', 'd.csv', utf16('a,b,label\n1,2,0\n'), /is UTF-16 text/],
    ['a JSON object', 'd.json', ' {"x": [[1, 2]], "y": [0]}', /is JSON; write a CSV file/],
    ['JSON rows', 'd.csv', '\ufeff[[1, 2, 0],\n[3, 4, 1]]', /is JSON/],
    ['JSON lines', 'd.jsonl', '{"x": 1, "y": 0}\n{"x": 2, "y": 1}\n', /is JSON/],
    [
      "CIFAR's python version",
      'data_batch_1',
      Uint8Array.of(0x80, 2, 0x7d, 0x71),
      /CIFAR's python.*binary version/,
    ],
    ['a pickle', 'd.pkl', Uint8Array.of(0x80, 4, 0x95, 0x0a), /is a Python pickle.*numpy\.savez/],
    ['a PyTorch file', 'd.pt', zipSync({ 'd/data.pkl': [Uint8Array.of(1), {}] }), /is a PyTorch file/],
    [
      'an old PyTorch file',
      'd.pth',
      Uint8Array.of(0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20),
      /is a PyTorch file/,
    ],
    [
      'a workbook',
      'd.xlsx',
      zipSync({ '[Content_Types].xml': Uint8Array.of(60) }),
      /is an Excel workbook.*CSV/,
    ],
    ['an old workbook', 'd.xls', Uint8Array.of(0xd0, 0xcf, 0x11, 0xe0, 0xa1), /is an Excel workbook/],
    ['HDF5', 'd.h5', Uint8Array.of(0x89, 0x48, 0x44, 0x46, 13, 10, 26, 10), /is an HDF5 file.*numpy\.savez/],
  ];

  it.each(FOREIGN)('names what it does not read: %s', async (_title, name, content, words) => {
    const directory = directoryWith({ [name]: content });
    const path = join(directory, name);
    await expectInputError(() => readDataset(path), 'dataset/format', words, path);
    await expectInputError(() => readDataset(directory), 'dataset/format', words, path);
  });

  it.each([
    ['quotes', '"a","y"\n1,0\n2,1\n'],
    ['a header in brackets', '[a],y\n1,0\n2,1\n'],
    ['a byte order mark of UTF-8', '\ufeffa,y\n1,0\n2,1\n'],
  ])('does not take CSV with %s for something else', async (_title, text) => {
    expect((await readDataset(fileWith('d.csv', text))).format).toBe('csv');
  });

  it('reads the archive beside what it does not read', async () => {
    const model = zipSync({ 'm/data.pkl': Uint8Array.of(1) });
    expect((await readDataset(directoryWith({ 'd.npz': ARCHIVE, 'm.pt': model }))).format).toBe('npz');
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
      'dataset/ambiguous',
      { 'a.csv': 'a,y\n1,0\n', 'b.csv': 'a,y\n1,0\n' },
      /several tables \(a\.csv, b\.csv\).*give one/,
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
