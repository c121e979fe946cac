import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
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

  it.each([
    ['pandas', ',a,y\n0,5,0\n1,6,1\n'],
    ['pandas, read and written again', 'Unnamed: 0,a,y\n0,5,0\n1,6,1\n'],
    ['R', '"","a","y"\n"1",5,0\n"2",6,1\n'],
    ['pandas after a shuffle', ',a,y\n17,5,0\n3,6,1\n'],
  ])('is read without the numbers of rows that %s writes', async (_title, text) => {
    const { train, warnings } = await readDataset(fileWith('d.csv', text));
    expect([train?.shape, [...(train?.values ?? [])]]).toEqual([[1], [5, 6]]);
    expect(warnings).toEqual([expect.stringMatching(/first column has no name and numbers the rows/)]);
  });

  it.each([
    ['repeats', ',a,y\n0,1,0\n0,2,1\n'],
    ['fractions', ',a,y\n0.5,1,0\n0,2,1\n'],
    ['its place elsewhere', 'a,,y\n1,0,0\n2,1,1\n'],
  ])('keeps a column without a name that has %s, and warns', async (_title, text) => {
    const { train, warnings } = await readDataset(fileWith('d.csv', text));
    expect(train?.shape).toEqual([2]);
    expect(warnings.join()).toMatch(/column [01] has no name and is used as a feature/);
  });

  it.each<[string, string, string | undefined, number[][], number[]]>([
    [
      'blanks and tabs',
      'iris.data',
      '2',
      [
        [5.1, 3.5],
        [4.9, 3],
      ],
      [0, 1],
    ],
  ])('has white space between its cells: %s', async (_title, name, labelColumn, rows, labels) => {
    const text = '  5.1   3.5 0\r\n\n4.9 \t3.0  1';
    for (const content of [text, `\ufeff${text}`, gzipSync(text)]) {
      const { format, train } = await readDataset(fileWith(name, content), { labelColumn });
      expect(format).toBe('csv');
      expect(train?.values).toEqual(Float32Array.from(rows.flat()));
      expect([...(train?.labels.values ?? [])]).toEqual(labels);
    }
  });

  it.each([
    ['seeds.txt', '15.26\t14.84\t1\n14.88\t14.57\t0\n', '\t'],
    ['wine.csv', '"a";"b";"label"\n15.26;14.84;1\n14.88;14.57;0\n', ';'],
    ['d.csv.gz', 'a,b,label\n15.26,14.84,1\n14.88,14.57,0\n', ','],
  ])('is read from %s, gzipped and not', async (name, text) => {
    for (const content of [text, gzipSync(text)]) {
      const labelColumn = name === 'seeds.txt' ? '2' : undefined;
      const { train } = await readDataset(fileWith(name, content), { labelColumn });
      expect(train?.values).toEqual(Float32Array.of(15.26, 14.84, 14.88, 14.57));
      expect(train?.labels).toMatchObject({ values: Int32Array.of(1, 0), classCount: 2 });
    }
  });

  it.each<[string, string, Uint8Array | string, RegExp]>([
    ['comments', 'dataset/comment-lines', '# made by hand\na,y\n1,0\n', /line 1: begins with #/],
    ['comments between rows', 'dataset/comment-lines', 'a,y\n1,0\n# half\n2,1\n', /line 3: begins with #/],
    ['comments of as many cells', 'dataset/comment-lines', 'a,y\n1,0\n#2,1\n', /line 3: begins with #/],
    ["numpy's header", 'dataset/comment-lines', '# a,y\n1,0\n', /comments=''/],
    ['names of rows (pandas)', 'dataset/row-names', ',mpg,y\nMazda,21,1\n', /"Mazda".*index=False/],
    [
      'names of rows (R)',
      'dataset/row-names',
      '"mpg" "y"\n"Mazda" 21 1\n',
      /3 cells.*header has 2.*row\.names=FALSE/,
    ],
    ['decimal commas', 'dataset/not-a-number', 'a;y\n1,5;0\n', /"1,5" has a decimal comma/],
    [
      'rows that end early',
      'dataset/csv-syntax',
      'a,b,y\n1,2,3\n1,2\n',
      /line 3: 2 cells, but the header has 3/,
    ],
    ['ARFF', 'dataset/format', '% Iris\n\n@RELATION iris\n@ATTRIBUTE a NUMERIC\n', /is an ARFF file/],
    ["LIBSVM's format", 'dataset/format', '+1 3:0.5 7:1 9:-2e-3\n', /LIBSVM's sparse format/],
    [
      'damaged gzip',
      'dataset/corrupt-gzip',
      gzipSync(`a,y\n${'1,0\n'.repeat(99)}`).subarray(0, -9),
      /damaged gzip/,
    ],
  ])('is refused by name: %s', async (_title, code, content, words) => {
    const path = fileWith('d.csv', content);
    await expectInputError(() => readDataset(path), code, words, path);
  });

  const pixels = (first: string): string =>
    `${[first, ...Array.from({ length: 80 }, (_, i) => `pixel${i}`)].join(',')}\n${Array(81).fill(1).join(',')}\n`;
  it.each<[string, string, RegExp, RegExp | null]>([
    ['a pixel, but the first column', pixels('digit'), /for example --label-column "digit"/, /pixel/],
    ['a pixel, where all are', pixels('pixel'), /"pixel"|name or index/, /pixel79/],
    [
      'a number of MNIST rows',
      `${Array(785).fill(7).join(',')}\n`,
      /index \(0 for the first column, 784 for/,
      /example/,
    ],
    ['names such as 28x28', '1x1,1x2\n5,6\n', /name or index/, /for example|1x2"/],
    ['a whole line', 'sepal length in cm is 5|3|1\n1\n', /columns/, /"sepal length in cm is 5/],
  ])('is refused without proposing %s as label', async (_title, text, words, never) => {
    const path = fileWith('d.csv', text);
    await expectInputError(() => readDataset(path), '[a-z/-]+', words);
    const { message } = (await readDataset(path).catch(
      (error: Error) => error as Error & { message: string },
    )) as Error;
    expect(message.slice(path.length)).not.toMatch(never ?? /^$/);
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

  const TRAIN = 'a,b,label\n1,2,0\n3,4,1\n';
  it.each<[string, Record<string, Uint8Array | string>]>([
    ['mnist_train.csv and mnist_test.csv', { 'mnist_train.csv': TRAIN, 'mnist_test.csv': TRAIN }],
    ['gzipped files', { 'train.csv.gz': gzipSync(TRAIN), 'test.csv.gz': gzipSync(TRAIN) }],
    ['names of other kinds', { 'myTrainData.csv': TRAIN, 'X-Test.tsv': TRAIN.replaceAll(',', '\t') }],
    [
      'other tables beside them',
      { 'train.csv': TRAIN, 'test.csv': TRAIN, 'sample_submission.csv': 'Id,Label\n1,0\n' },
    ],
    ['a file for validation and none for testing', { 'train.csv': TRAIN, 'val.csv': TRAIN }],
    [
      'text of blanks',
      { 'd.train.txt': TRAIN.replaceAll(',', ' '), 'd.test.txt': TRAIN.replaceAll(',', ' ') },
    ],
  ])('may have %s', async (_title, files) => {
    const { train, test, warnings } = await readDataset(directoryWith(files));
    expect([train?.count, test?.count, warnings]).toEqual([2, 2, []]);
    expect(test?.values).toEqual(Float32Array.of(1, 2, 3, 4));
  });

  it("may have UCI's names", async () => {
    const files = { 'pen.tra': '1,2,0\n3,4,1\n', 'pen.tes': '5,6,1\n', 'pen.names': 'Title: pens' };
    const options = { labelColumn: '2' };
    const { train, test } = await readDataset(directoryWith(files), options);
    expect([train?.values, test?.values]).toEqual([Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6)]);
    const one = await readDataset(
      directoryWith({ 'pen.data': '1,2,0\n', 'pen.names': 'Title: pens' }),
      options,
    );
    expect(one.train?.values).toEqual(Float32Array.of(1, 2));
  });

  it.each<[string, Record<string, string>, string | undefined, RegExp]>([
    [
      'a header',
      { 'train.csv': 'label,a,b\n0,1,2\n', 'test.csv': 'a,b\n5,6\n' },
      undefined,
      /test\.csv: has no column "label"/,
    ],
    ['none', { 'train.csv': '0,1,2\n', 'test.csv': '5,6\n' }, '0', /test\.csv: has no label column/],
  ])(
    "leaves a test file without labels aside, as Kaggle's, with %s",
    async (_title, files, labelColumn, words) => {
      const { train, test, warnings } = await readDataset(directoryWith(files), { labelColumn });
      expect([train?.count, test, warnings]).toEqual([1, null, [expect.stringMatching(words)]]);
      const withValidation = directoryWith({ ...files, 'valid.csv': files['train.csv'] });
      expect((await readDataset(withValidation, { labelColumn })).test?.count).toBe(1);
    },
  );

  it('is found among more than 256 other files', async () => {
    const others = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`a${i}.log`, 'x']));
    const { train, test } = await readDataset(
      directoryWith({ ...others, 'train.csv': TRAIN, 'test.csv': TRAIN }),
    );
    expect([train?.count, test?.count]).toEqual([2, 2]);
  });

  it.each([
    ['line ends', `${'\n'.repeat(4000)}x`],
    ['digits', `a,y\n${'1'.repeat(2 ** 20)}x,1\n`],
    ['blanks', `a,y\n1${' '.repeat(2 ** 20)}x,1\n`],
  ])(
    'is refused without delay when it holds many %s',
    async (_title, text) => {
      await expectInputError(() => readDataset(fileWith('d.csv', text)), 'dataset/[a-z-]+');
    },
    20_000,
  );

  it('is refused where its numbers take more than the memory limit', async () => {
    const path = fileWith('d.csv', `a,y\n${'1,0\n'.repeat(1000)}`);
    expect((await readDataset(path, { memoryBytes: 4096 })).train?.count).toBe(1000);
    await expectInputError(
      () => readDataset(path, { memoryBytes: 4095 }),
      'dataset/memory',
      /--memory-limit/,
    );
  });

  it('is not guessed where several files may be one part', async () => {
    const directory = directoryWith({ 'X_train.csv': TRAIN, 'y_train.csv': 'label\n0\n1\n' });
    await expectInputError(() => readDataset(directory), 'dataset/ambiguous', /X_train\.csv, y_train\.csv/);
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
