import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readDataset } from '../../../src/dataset/registry.js';
import { directoryWith, expectInputError, fileWith } from '../support.js';

describe('a CSV file', () => {
  it('is read with a header, quotes, blanks, blank lines, a byte order mark and CRLF', async () => {
    const path = fileWith('d.csv', '\ufeff"a, b",Label,c\r\n1,2, 3.5\r\n\r\n"-4e1",0,.5\r\n');
    const { format, train, test, warnings } = await readDataset(path);
    expect([format, test, warnings]).toEqual(['csv', null, []]);
    expect(train).toMatchObject({ count: 2, shape: [2], layout: 'flat', byteImages: false });
    expect(train?.values).toEqual(Float32Array.of(1, 3.5, -40, 0.5));
    expect(train?.labels).toEqual({ kind: 'classes', values: Int32Array.of(2, 0), classCount: 3 });
  });

  it.each<[string, string, string | undefined, number[], object]>([
    ['no header, an index', '5,1,2\n0,3,4\n', '0', [1, 2, 3, 4], { classCount: 6 }],
    ['no header, an index of words', '1,2,b\n3,4,a\n', '2', [1, 2, 3, 4], { values: Int32Array.of(1, 0) }],
    ['a header, a name', 'p,q\n1,0\n2,1\n', 'q', [1, 2], { classCount: 2 }],
    ['a header, an index', 'p,q\n1,0\n2,1\n', '0', [0, 1], { classCount: 3 }],
    ['a name that looks like an index and wins', 'class,0\n7,1\n8,0\n', '0', [7, 8], { classCount: 2 }],
    [
      'columns with numbers as names',
      'label,0,1\n1,5,0\n2,6,1\n',
      undefined,
      [5, 0, 6, 1],
      { classCount: 3 },
    ],
    ['yes and no without a header', '1,y\n2,n\n', '1', [1, 2], { values: Int32Array.of(1, 0) }],
    ['semicolons', 'a;y\n1.5;0\n2;1\n', undefined, [1.5, 2], { classCount: 2 }],
    ['tabs', 'a\ty\n1.5\t0\n2\t1\n', undefined, [1.5, 2], { classCount: 2 }],
    [
      'integers written as floats',
      'a,y\n1,0.0\n2,3.0\n',
      undefined,
      [1, 2],
      { kind: 'classes', classCount: 4 },
    ],
    [
      'fractions as labels',
      'a,y\n1,0.5\n2,3\n',
      undefined,
      [1, 2],
      { kind: 'targets', values: Float32Array.of(0.5, 3) },
    ],
    ['negative labels', 'a,y\n1,-1\n2,1\n', undefined, [1, 2], { kind: 'targets', width: 1 }],
    ['large labels', 'a,y\n1,250000\n2,1\n', undefined, [1, 2], { kind: 'targets', width: 1 }],
    [
      'words and numbers as labels',
      'a,y\n1,10\n2,9\n3,A\n',
      undefined,
      [1, 2, 3],
      { values: Int32Array.of(0, 1, 2) },
    ],
  ])('is read with %s', async (_title, text, labelColumn, features, labels) => {
    const { train } = await readDataset(fileWith('d.csv', text), { labelColumn });
    expect([...(train?.values ?? [])]).toEqual(features);
    expect(train?.labels).toMatchObject(labels);
  });

  it.each<[string, string, string, string | undefined, RegExp]>([
    ['no known label column', 'dataset/label-column', 'a,b\n1,2\n', undefined, /--label-column "b"/],
    ['no header', 'dataset/label-column', '1,2\n3,4\n', undefined, /--label-column 1/],
    ['several label columns', 'dataset/label-column', 'y,target,a\n1,2,3\n', undefined, /"y", "target"/],
    ['an unknown label column', 'dataset/label-column', 'a,b\n1,2\n', 'c', /"c".*"a", "b"/],
    ['a label index too large', 'dataset/label-column', '1,2\n3,4\n', '2', /0 to 1/],
    [
      'a word among the features',
      'dataset/not-a-number',
      'a,y\n1,0\nred,1\n',
      undefined,
      /line 3, column 0 \("a"\): holds "red"/,
    ],
    ['NaN', 'dataset/not-a-number', '1,0\nnan,1\n', '1', /line 2, column 0: holds "nan"/],
    ['infinity', 'dataset/not-a-number', 'a,y\n-Infinity,0\n', undefined, /line 2, column 0/],
    ['a number beyond float32', 'dataset/not-a-number', 'a,y\n1e39,0\n', undefined, /"1e39"/],
    ['a hexadecimal number', 'dataset/not-a-number', 'a,y\n0x10,0\n', undefined, /"0x10"/],
    [
      'an empty cell',
      'dataset/not-a-number',
      'a,y\n1,0\n ,0\n',
      undefined,
      /line 3, column 0 \("a"\): is empty/,
    ],
    [
      'an empty label',
      'dataset/label-value',
      'a,y\n1,\n',
      undefined,
      /line 2, column 1 \("y"\): the label is missing/,
    ],
    ['NaN as label', 'dataset/label-value', 'a,y\n1,NaN\n', undefined, /label "NaN"/],
    ['a row too short', 'dataset/csv-syntax', 'a,b,y\n1,2,3\n1,2\n', undefined, /line 3/],
    ['an open quote', 'dataset/csv-syntax', 'a,y\n"1,2\n3,4\n', undefined, /[Qq]uote/],
    ['one column', 'dataset/csv-columns', 'y\n1\n', undefined, /only one column/],
    ['only a header', 'dataset/empty', 'a,y\n', undefined, /no rows/],
    ['only blank lines', 'dataset/empty', '\n\n', undefined, /no rows/],
    [
      'control characters in a cell',
      'dataset/not-a-number',
      `a,y\n${'1,0\n'.repeat(200)}\u001b[2J,1\n`,
      undefined,
      /u001b/,
    ],
  ])('is refused with %s', async (_title, code, text, labelColumn, words) => {
    const path = fileWith('d.csv', text);
    await expectInputError(() => readDataset(path, { labelColumn }), code, words, path);
  });

  it('warns of a column without a name', async () => {
    const { warnings } = await readDataset(fileWith('d.csv', ',a,y\n0,1,0\n1,2,1\n'));
    expect(warnings.join()).toMatch(/column 0 has no name/);
  });
});

describe('a directory of CSV files', () => {
  it('holds train.csv and test.csv, whose words are the same classes', async () => {
    const { train, test } = await readDataset(
      directoryWith({
        'train.csv': 'a,label\n1,dog\n2,cat\n',
        'test.csv': 'a,label\n3,ant\n4,dog\n',
        'more.csv': 'x',
      }),
    );
    expect(train?.labels).toEqual({ kind: 'classes', values: Int32Array.of(2, 1), classCount: 3 });
    expect(test?.labels).toEqual({ kind: 'classes', values: Int32Array.of(0, 2), classCount: 3 });
  });

  it('may hold one file of any name, or only test.csv', async () => {
    const one = await readDataset(directoryWith({ 'iris.csv': 'a,y\n1,0\n' }));
    expect([one.train?.count, one.test]).toEqual([1, null]);
    const test = await readDataset(directoryWith({ 'test.csv': 'a,y\n1,0\n' }));
    expect([test.train, test.test?.count]).toEqual([null, 1]);
  });

  it.each<[string, string, string, RegExp]>([
    ['more features', 'dataset/shape', 'a,b,y\n1,2,3\n', /2 features.*1/],
    ['other columns', 'dataset/csv-columns', 'b,y\n1,2\n', /"b", but "a"/],
    ['no label', 'dataset/label-column', 'a,b\n1,2\n', /test\.csv/],
  ])('is refused when the test file has %s', async (_title, code, text, words) => {
    const directory = directoryWith({ 'train.csv': 'a,y\n1,0\n', 'test.csv': text });
    await expectInputError(() => readDataset(directory), code, words, join(directory, 'test.csv'));
  });
});
