import { describe, expect, it } from 'vitest';
import { readDataset } from '../../../src/dataset/registry.js';
import { expectInputError, fileWith, npy, npyHeader, npyRaw, npz } from '../support.js';

const X = npy('<f4', [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6.5));
const Y = npy('<i8', [2], BigInt64Array.of(0n, 2n));

describe('a .npz archive', () => {
  it.each([0, 6] as const)('is read at compression level %d, whatever its name', async (level) => {
    const path = fileWith('data.bin', npz({ x_train: X, y_train: Y, x_test: X, y_test: Y, other: X }, level));
    const { format, train, test, warnings } = await readDataset(path);
    expect([format, warnings]).toEqual(['npz', []]);
    expect(train).toMatchObject({ count: 2, shape: [3], layout: 'flat', byteImages: false });
    expect(train?.values).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6.5));
    expect(train?.labels).toEqual({ kind: 'classes', values: Int32Array.of(0, 2), classCount: 3 });
    expect(test?.count).toBe(2);
  });

  it('needs no test set', async () => {
    expect((await readDataset(fileWith('d.npz', npz({ x_train: X, y_train: Y })))).test).toBeNull();
  });

  it.each<[string, number[], 'NHWC' | 'NCHW' | undefined, object, RegExp]>([
    ['grey images', [2, 4, 4], undefined, { shape: [4, 4], layout: 'NHWC' }, /^$/],
    ['channels last', [2, 4, 4, 3], undefined, { shape: [4, 4, 3], layout: 'NHWC' }, /^$/],
    [
      'channels first, guessed',
      [2, 3, 5, 5],
      undefined,
      { shape: [3, 5, 5], layout: 'NCHW' },
      /channels first/,
    ],
    ['channels first, told', [2, 2, 4, 4], 'NCHW', { shape: [2, 4, 4], layout: 'NCHW' }, /^$/],
    ['channels last, told', [2, 3, 4, 4], 'NHWC', { shape: [3, 4, 4], layout: 'NHWC' }, /^$/],
    [
      'channels last, told otherwise',
      [2, 8, 8, 3],
      'NCHW',
      { shape: [8, 8, 3], layout: 'NHWC' },
      /plainly stored channels last; --layout NCHW/,
    ],
    [
      'channels first, told otherwise',
      [2, 3, 8, 9],
      'NHWC',
      { shape: [3, 8, 9], layout: 'NCHW' },
      /plainly stored channels first; --layout NHWC/,
    ],
    ['features, told', [2, 64, 7, 3], 'NCHW', { shape: [64, 7, 3], layout: 'NCHW' }, /^$/],
    ['volumes', [2, 2, 2, 2, 2], undefined, { shape: [2, 2, 2, 2], layout: 'flat' }, /^$/],
  ])('holds bytes as images: %s', async (_title, shape, layout, expected, warning) => {
    const size = shape.reduce((total, side) => total * side, 1);
    const path = fileWith(
      'd.npz',
      npz({ x_train: npy('|u1', shape, new Uint8Array(size).fill(9)), y_train: Y }),
    );
    const { train, warnings } = await readDataset(path, { layout });
    expect(train).toMatchObject({ ...expected, byteImages: true });
    expect(train?.values).toBeInstanceOf(Uint8Array);
    expect(warnings.join()).toMatch(warning);
  });

  it.each<[string, Uint8Array, object]>([
    ['integers', npy('|u1', [2], Uint8Array.of(1, 0)), { kind: 'classes', classCount: 2 }],
    ['a column of integers', npy('<i4', [2, 1], Int32Array.of(4, 0)), { kind: 'classes', classCount: 5 }],
    ['booleans', npy('|b1', [2], Uint8Array.of(1, 0)), { kind: 'classes', classCount: 2 }],
    ['negative integers', npy('<i4', [2], Int32Array.of(-1, 1)), { kind: 'targets', width: 1 }],
    ['floats', npy('<f8', [2], Float64Array.of(0.5, 1)), { kind: 'targets', width: 1 }],
    ['a column of floats', npy('<f4', [2, 1], Float32Array.of(0.5, 1)), { kind: 'targets', width: 1 }],
    ['rows of integers', npy('|u1', [2, 3], Uint8Array.of(0, 0, 1, 1, 0, 0)), { kind: 'targets', width: 3 }],
  ])('has labels: %s', async (_title, y, expected) => {
    const { train } = await readDataset(fileWith('d.npz', npz({ x_train: X, y_train: y })));
    expect(train?.labels).toMatchObject(expected);
  });

  it('warns of floats that look like bytes', async () => {
    const x = npy('<f4', [2, 64], new Float32Array(128).fill(255));
    const { warnings } = await readDataset(fileWith('d.npz', npz({ x_train: x, y_train: Y })));
    expect(warnings.join()).toMatch(/--normalize 0\/255/);
  });

  it.each<[string, string, Record<string, Uint8Array>, RegExp]>([
    ['no labels', 'dataset/npz-missing', { x_train: X }, /no y_train/],
    ['no training set', 'dataset/npz-missing', { x_test: X, y_test: Y }, /no x_train/],
    ['test labels only', 'dataset/npz-missing', { x_train: X, y_train: Y, y_test: Y }, /no x_test/],
    [
      'too few labels',
      'dataset/count',
      { x_train: X, y_train: npy('|u1', [1], Uint8Array.of(1)) },
      /1 labels.*2/,
    ],
    [
      'no examples',
      'dataset/empty',
      { x_train: npy('|u1', [0, 3], new Uint8Array(0)), y_train: Y },
      /no examples/,
    ],
    ['no features', 'dataset/shape', { x_train: Y, y_train: Y }, /no feature dimension/],
    [
      'labels of rank 3',
      'dataset/label-shape',
      { x_train: X, y_train: npy('|u1', [2, 1, 1], Uint8Array.of(1, 2)) },
      /expected/,
    ],
    [
      'a scalar as labels',
      'dataset/label-shape',
      { x_train: X, y_train: npyRaw(npyHeader('|u1', [1]).replace('(1,)', '()'), Uint8Array.of(1)) },
      /expected/,
    ],
    [
      'test examples of another shape',
      'dataset/shape',
      { x_train: X, y_train: Y, x_test: npy('|u1', [2, 2], Uint8Array.of(1, 2, 3, 4)), y_test: Y },
      /\(2\).*\(3\)/,
    ],
    [
      'test labels of another width',
      'dataset/label-shape',
      { x_train: X, y_train: Y, x_test: X, y_test: npy('|u1', [2, 2], Uint8Array.of(1, 0, 0, 1)) },
      /2 numbers/,
    ],
    [
      'NaN among the features',
      'dataset/not-finite',
      { x_train: npy('<f4', [2, 2], Float32Array.of(1, 2, 3, Number.NaN)), y_train: Y },
      /NaN at example 1, element 1/,
    ],
    [
      'a feature beyond float32',
      'dataset/not-finite',
      { x_train: npy('<f8', [2, 1], Float64Array.of(1, 1e300)), y_train: Y },
      /1e\+300/,
    ],
    [
      'infinity among the labels',
      'dataset/not-finite',
      { x_train: X, y_train: npy('<f4', [2], Float32Array.of(1, Infinity)) },
      /Infinity at example 1/,
    ],
  ])('is refused with %s', async (_title, code, members, words) => {
    const path = fileWith('d.npz', npz(members));
    await expectInputError(() => readDataset(path), code, words, path);
  });
});

describe('the names of an archive', () => {
  const [XA, YA] = [X, Y];
  const XB = npy('|u1', [1, 3], Uint8Array.of(7, 8, 9));
  const YB = npy('|u1', [1], Uint8Array.of(2));

  it.each<[string, string, string, string, string]>([
    ['Keras and scikit-learn', 'X_train', 'y_train', 'X_test', 'y_test'],
    ['MedMNIST', 'train_images', 'train_labels', 'test_images', 'test_labels'],
    ['others', 'imagesTrain', 'targetsTrain', 'data_val', 'label_val'],
    ['one set and a test set', 'data', 'target', 'test_data', 'test_target'],
    ['none, by shape', 'arr_0', 'arr_1', 'arr_2', 'arr_3'],
    ['none, in another order', 'arr_1', 'arr_3', 'arr_0', 'arr_2'],
  ])('may be those of %s', async (_title, ...names) => {
    const [x, y, xTest, yTest] = names;
    const path = fileWith('d.npz', npz({ [x]: XA, [y]: YA, [xTest]: XB, [yTest]: YB }));
    const { train, test, warnings } = await readDataset(path);
    expect([train?.count, test?.count]).toEqual([2, 1]);
    expect(test?.values).toEqual(Uint8Array.of(7, 8, 9));
    expect(test?.labels.values).toEqual(Int32Array.of(2));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(
      new RegExp(
        `training set "${x}" \\(2, 3\\) with labels "${y}" \\(2\\), for the test set "${xTest}" \\(1, 3\\)`,
      ),
    );
  });

  it.each([
    ['images', 'labels'],
    ['x', 'y'],
    ['data', 'targets'],
    ['X', 'label'],
    ['arr_0', 'arr_1'],
    ['arr_1', 'arr_0'],
  ])('may be %s and %s alone', async (x, y) => {
    const { train, test } = await readDataset(fileWith('d.npz', npz({ [x]: XA, [y]: YA })));
    expect([train?.count, train?.shape, test]).toEqual([2, [3], null]);
  });

  it('leaves arrays of validation aside where there is a test set', async () => {
    const arrays = {
      train_images: XA,
      train_labels: YA,
      val_images: XB,
      val_labels: YB,
      test_images: XB,
      test_labels: YB,
    };
    const { test, warnings } = await readDataset(fileWith('d.npz', npz(arrays)));
    expect([test?.count, warnings.join()]).toEqual([
      1,
      expect.stringMatching(/val_images and val_labels are left aside/),
    ]);
  });

  it.each<[string, string, Record<string, Uint8Array>, RegExp]>([
    [
      'two inputs',
      'dataset/npz-ambiguous',
      { images: XA, data: XA, y: YA },
      /inputs.*"images" \(2, 3\), "data" \(2, 3\)/,
    ],
    [
      'two training sets',
      'dataset/npz-ambiguous',
      { x: XA, y: YA, x_train: XA, y_train: YA },
      /two sets.*"x" \(2, 3\)/,
    ],
    ['other names', 'dataset/npz-missing', { foo: XA, bar: YA }, /no x_train.*"foo" \(2, 3\), "bar" \(2\)/],
    ['inputs alone', 'dataset/npz-missing', { images: XA }, /no y_train.*"images" \(2, 3\)/],
    [
      'shapes that do not tell',
      'dataset/npz-ambiguous',
      { arr_0: XA, arr_1: XA },
      /"arr_0" \(2, 3\), "arr_1" \(2, 3\)/,
    ],
    [
      'two sets of one size',
      'dataset/npz-ambiguous',
      { arr_0: XA, arr_1: XA, arr_2: YA, arr_3: YA },
      /shapes do not say.*"arr_3" \(2\)/,
    ],
    [
      'a smaller set first',
      'dataset/npz-ambiguous',
      { arr_0: XB, arr_1: YB, arr_2: XA, arr_3: YA },
      /shapes do not say/,
    ],
    ['one array', 'dataset/npz-missing', { arr_0: XA }, /"arr_0" \(2, 3\)/],
  ])('are refused: %s', async (_title, code, members, words) => {
    const path = fileWith('d.npz', npz(members));
    await expectInputError(() => readDataset(path), code, words, path);
  });
});

describe('a damaged or hostile archive', () => {
  const archive = npz({ x_train: npy('|u1', [2, 500], new Uint8Array(1000)), y_train: Y });

  /** Where the central directory's entry of the first member begins. */
  function centralEntry(bytes: Uint8Array): number {
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 6, true);
  }

  /** The archive with the first member's declared size changed, in the directory and in its own header. */
  function declaring(size: number): Uint8Array {
    const bytes = Uint8Array.from(archive);
    const view = new DataView(bytes.buffer);
    view.setUint32(centralEntry(bytes) + 24, size, true);
    view.setUint32(22, size, true);
    return bytes;
  }

  const changed = (offset: number, value: number): Uint8Array => {
    const bytes = Uint8Array.from(archive);
    bytes[offset] = value;
    return bytes;
  };

  it.each<[string, string, Uint8Array, RegExp]>([
    ['declares 4 GB', 'format/zip-too-large', declaring(0xfffffffe), /4294967294 bytes.*limit/],
    [
      'declares more than deflate can hold',
      'format/zip-bomb',
      declaring(1_000_000),
      /1000000 bytes.*cannot hold/,
    ],
    ['declares too little', 'format/corrupt-zip', declaring(600), /CRC-32/],
    ['declares too much', 'format/corrupt-zip', declaring(5000), /but declares 5000/],
    ['is cut short', 'format/corrupt-zip', archive.subarray(0, -30), /damaged zip/],
    [
      'has an unknown compression',
      'format/corrupt-zip',
      changed(centralEntry(archive) + 10, 99),
      /compression/,
    ],
    ['is only a signature', 'format/corrupt-zip', Uint8Array.of(0x50, 0x4b, 3, 4), /damaged zip/],
  ])('is refused when it %s', async (_title, code, bytes, words) => {
    const path = fileWith('d.npz', bytes);
    await expectInputError(() => readDataset(path), code, words, path);
  });

  it('is refused when it has a member too many', async () => {
    const members = Object.fromEntries(Array.from({ length: 1025 }, (_, i) => [`a${i}`, new Uint8Array(0)]));
    const path = fileWith('d.npz', npz(members, 0));
    await expectInputError(() => readDataset(path), 'format/zip-members', /1024/);
  });

  it('is refused when it holds a member twice', async () => {
    const bytes = npz({ x_train: X, y_train: Y });
    const text = Buffer.from(bytes).toString('latin1').replaceAll('y_train', 'x_train');
    const path = fileWith('d.npz', Buffer.from(text, 'latin1'));
    await expectInputError(() => readDataset(path), 'format/zip-members', /twice/);
  });
});
