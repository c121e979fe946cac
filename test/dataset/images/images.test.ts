import { join } from 'node:path';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import type { Split } from '../../../src/dataset/dataset.js';
import { readDataset } from '../../../src/dataset/registry.js';
import { directoryWith, expectInputError, fileWith, tar } from '../support.js';
import { jpeg, png } from './pictures.js';

const hasSharp = await import('sharp').then(
  () => true,
  () => false,
);
if (!hasSharp) {
  console.warn('images are not tested: the optional package sharp is not installed');
}

/** 2 x 1 pixels in colour, whose first byte is given. */
const colour = (first: number): Uint8Array => png(2, 1, 2, [first, 2, 3, 4, 5, 6]);
const grey = (first: number): Uint8Array => png(2, 1, 0, [first, 9]);

const values = (split: Split | null): number[] => [...(split?.values ?? [])];
const labels = (split: Split | null): number[] => [...(split?.labels.values ?? [])];

/** Sum of the bytes, and of each times its place modulo 7, as was computed with numpy. */
function sums(bytes: number[]): [number, number] {
  return [
    bytes.reduce((total, value) => total + value, 0),
    bytes.reduce((total, value, at) => total + value * (at % 7), 0),
  ];
}

describe.skipIf(!hasSharp)('folders of images by class', () => {
  const FILES = {
    'train/cat/b.png': colour(20),
    'train/cat/a.png': colour(10),
    'train/Dog/c.jpeg': colour(30),
    'train/ant/1.PNG': colour(40),
  };
  const TEST = { 'ant/x.png': colour(50), 'Dog/x.png': colour(60), 'cat/x.png': colour(70) };
  const below = (folder: string): Record<string, Uint8Array> =>
    Object.fromEntries(Object.entries(TEST).map(([name, content]) => [`${folder}/${name}`, content]));

  it.each(['test', 'val', 'valid'])(
    'are read from train and %s, classes in the order of their names',
    async (part) => {
      const directory = directoryWith({ ...FILES, ...below(part), 'train/ant/notes.txt': 'x' });
      const { format, train, test, warnings } = await readDataset(directory);
      expect([format, warnings]).toEqual(['images', []]);
      expect(train).toMatchObject({ count: 4, shape: [3, 1, 2], layout: 'NCHW', byteImages: true });
      // torchvision's sorted(): upper case first, so Dog is 0, ant 1, cat 2.
      expect([labels(train), labels(test)]).toEqual([
        [0, 1, 2, 2],
        [0, 1, 2],
      ]);
      expect(values(train).filter((_, at) => at % 6 === 0)).toEqual([30, 40, 10, 20]);
      expect(values(test).slice(0, 7)).toEqual([60, 4, 2, 5, 3, 6, 50]);
      expect(train?.labels).toMatchObject({ classCount: 3 });
    },
  );

  it('are read from folders of classes alone, from a folder around it, a zip and a tar', async () => {
    const alone = Object.fromEntries(Object.entries(FILES).map(([name, bytes]) => [name.slice(6), bytes]));
    const around = Object.fromEntries(Object.entries(FILES).map(([name, bytes]) => [`pets/${name}`, bytes]));
    for (const path of [
      directoryWith(alone),
      directoryWith(around),
      fileWith('pets.zip', zipSync(around)),
      fileWith('pets.tar', tar(around)),
    ]) {
      const { train, test } = await readDataset(path);
      expect([labels(train), test]).toEqual([[0, 1, 2, 2], null]);
      expect(values(train).filter((_, at) => at % 6 === 0)).toEqual([30, 40, 10, 20]);
    }
  });

  it("are read in TinyImageNet's layout", async () => {
    const directory = directoryWith({
      'wnids.txt': 'n02\nn01\n',
      'words.txt': 'n01\tcat\nn02\tdog\n',
      'train/n02/images/n02_0.JPEG': colour(20),
      'train/n02/n02_boxes.txt': 'n02_0.JPEG\t0\t0\t1\t1\n',
      'train/n01/images/n01_0.JPEG': colour(10),
      'val/images/val_0.JPEG': colour(30),
      'val/images/val_1.JPEG': colour(40),
      'val/val_annotations.txt': 'val_0.JPEG\tn02\t0\t0\t1\t1\nval_1.JPEG\tn01\t0\t0\t1\t1\n',
      'test/images/test_0.JPEG': colour(50),
    });
    const { train, test, warnings } = await readDataset(directory);
    // n02 is the first of wnids.txt, and so class 0; images come in the order of their folders' names.
    expect([labels(train), labels(test)]).toEqual([
      [1, 0],
      [0, 1],
    ]);
    expect(values(train).filter((_, at) => at % 6 === 0)).toEqual([10, 20]);
    expect(values(test)[0]).toBe(30);
    expect(warnings).toEqual([expect.stringMatching(/test: its images are in no folders.*left aside/)]);
  });

  it.each([
    ['n02\nn01\nn03\n', /wnids.txt: has the class "n03", of which there are no images/],
    ['n02\n', /wnids.txt: lacks the class "n01", of which there are images/],
    ['n02\nn01\nn02\n', /wnids.txt: has a class twice/],
  ])('are refused where the list of classes is another: %j', async (list, message) => {
    const directory = directoryWith({
      'wnids.txt': list,
      'train/n01/images/a.JPEG': colour(10),
      'train/n02/images/a.JPEG': colour(20),
    });
    await expectInputError(() => readDataset(directory), 'dataset/image-classes', message);
  });

  it('are in the order of their names where there is no list of classes', async () => {
    const files = { 'train/n01/images/a.JPEG': colour(10), 'train/n02/images/a.JPEG': colour(20) };
    const { train } = await readDataset(directoryWith(files));
    expect(labels(train)).toEqual([0, 1]);
  });

  it('have one channel where all are grey, and three where one is not', async () => {
    const allGrey = await readDataset(
      directoryWith({ 'a/1.png': grey(1), 'b/1.png': png(2, 1, 4, [7, 255, 8, 0]) }),
    );
    expect(allGrey.train?.shape).toEqual([1, 2]);
    expect(values(allGrey.train)).toEqual([1, 9, 7, 8]);
    expect(allGrey.warnings).toEqual([expect.stringMatching(/1 image\(s\) have an alpha channel/)]);
    const mixed = await readDataset(directoryWith({ 'a/1.png': grey(1), 'b/1.png': colour(2) }));
    expect(mixed.train?.shape).toEqual([3, 1, 2]);
    expect(values(mixed.train)).toEqual([1, 9, 1, 9, 1, 9, 2, 4, 2, 5, 3, 6]);
  });

  it('may have a palette, and alpha, which is dropped without blending', async () => {
    const palette = png(2, 1, 3, [1, 0], { palette: [10, 20, 30, 40, 50, 60] });
    const alpha = png(2, 1, 6, [1, 2, 3, 0, 4, 5, 6, 128]);
    const { train } = await readDataset(directoryWith({ 'a/1.png': palette, 'b/1.png': alpha }));
    expect(values(train)).toEqual([40, 10, 50, 20, 60, 30, 1, 4, 2, 5, 3, 6]);
  });

  // The numbers are PIL's (9.4 with libjpeg-turbo 2.1.5) after convert('RGB'): first, last, sums.
  it.each([
    ['colour', [3, 8, 8], [1, 1, 1, 18, 5, 12], [212, 206, 210], [20164, 60086]],
    ['turned', [3, 4, 8], [8, 0, 0, 24, 3, 10], [201, 89, 148], [7171, 21019]],
  ] as const)('are decoded as PIL decodes them: %s JPEG', async (kind, shape, first, last, expected) => {
    const { train } = await readDataset(directoryWith({ 'a/1.jpg': jpeg(kind), 'b/1.jpg': jpeg(kind) }));
    const bytes = values(train);
    expect(train?.shape).toEqual(shape);
    const pixels = bytes.length / 6;
    const image = Array.from(
      { length: 3 * pixels },
      (_, at) => bytes[(at % 3) * pixels + Math.floor(at / 3)],
    );
    expect([image.slice(0, 6), image.slice(-3), sums(image)]).toEqual([first, last, expected]);
  });

  it('are decoded as PIL decodes them: grey JPEG', async () => {
    const { train } = await readDataset(directoryWith({ 'a/1.jpg': jpeg('grey'), 'b/1.jpg': jpeg('grey') }));
    const image = values(train).slice(0, 64);
    expect([train?.shape, image.slice(0, 2), image.at(-1)]).toEqual([[8, 8], [0, 16], 211]);
    expect(sums(image.flatMap((value) => [value, value, value]))).toEqual([20136, 59973]);
  });

  const good = colour(1);
  const damaged = Buffer.from(good).fill(0, 45, 52);
  const huge = png(2, 1, 2, [1, 2, 3, 4, 5, 6], { says: [60000, 60000] });
  it.each<[string, string, Record<string, Uint8Array | string>, RegExp]>([
    [
      'two sizes',
      'dataset/image-size',
      { 'b/2.png': png(1, 2, 0, [1, 2]) },
      /b.2\.png: 1 x 2 pixels, but .*a.1\.png has 2 x 1/,
    ],
    [
      '16 bits a channel',
      'dataset/image-depth',
      { 'b/2.png': png(2, 1, 0, [1, 2, 3, 4], { bits: 16 }) },
      /b.2\.png: has 16 bits/,
    ],
    ['CMYK', 'dataset/image-format', { 'b/2.jpg': jpeg('cmyk') }, /b.2\.jpg: its colours are cmyk/],
    ['another format', 'dataset/image-format', { 'b/2.gif': 'GIF89a' }, /b.2\.gif: is no PNG or JPEG/],
    ['SVG by another name', 'dataset/image-format', { 'b/2.png': '<svg width="1"/>' }, /is no PNG or JPEG/],
    ['damage', 'dataset/corrupt-image', { 'b/2.png': damaged }, /b.2\.png: damaged image/],
    [
      'an end that is missing',
      'dataset/corrupt-image',
      { 'b/2.jpg': jpeg('colour').subarray(0, 150) },
      /damaged image/,
    ],
    ['a header of 60000 x 60000', 'dataset/image-size', { 'b/2.png': huge }, /60000 x 60000 pixels, more/],
    ['one class', 'dataset/image-class', { 'train/a/1.png': good }, /1 folder\(s\) of a class \("a"\)/],
    [
      'a class without images',
      'dataset/image-class',
      { 'train/a/1.png': good, 'train/b/1.png': good, 'train/c/1.png': good, 'train/d/x': '' },
      /train.d: the folder of a class without images/,
    ],
    [
      'a class that only the test set has',
      'dataset/image-classes',
      { 'train/a/1.png': good, 'train/b/1.png': good, 'test/a/1.png': good, 'test/c/1.png': good },
      /test: has the class "c"/,
    ],
    [
      'a class that the test set lacks',
      'dataset/image-classes',
      { 'train/a/1.png': good, 'train/b/1.png': good, 'val/a/1.png': good },
      /val: lacks the class "b"/,
    ],
  ])('are refused with %s', async (_title, code, files, words) => {
    const isWhole = Object.keys(files).some((name) => name.startsWith('train'));
    const directory = directoryWith(isWhole ? files : { 'a/1.png': good, 'b/1.png': good, ...files });
    await expectInputError(() => readDataset(directory), code, words, directory.slice(-10));
  });

  it('are refused where they take more than the memory limit', async () => {
    const directory = directoryWith({ 'a/1.png': good, 'b/1.png': good });
    expect((await readDataset(directory, { memoryBytes: 12 })).train?.count).toBe(2);
    await expectInputError(
      () => readDataset(directory, { memoryBytes: 11 }),
      'dataset/memory',
      /2 images.*1 fit.*--memory-limit/,
    );
  });

  it('are not confused with pictures beside other data', async () => {
    const table = 'a,y\n1,0\n';
    const pictures = { 'plots/1.png': good, 'plots/2.png': good };
    expect((await readDataset(directoryWith({ ...pictures, 'train.csv': table }))).format).toBe('csv');
    expect(
      (await readDataset(directoryWith({ ...FILES, 'labels.csv': 'image,label\na.png,1\n' }))).format,
    ).toBe('images');
    const flat = directoryWith({ '1.png': good, '2.png': good });
    await expectInputError(
      () => readDataset(flat),
      'dataset/format',
      /1\.png, 2\.png.*folder for each class/,
    );
    await expectInputError(() => readDataset(join(flat, '1.png')), 'dataset/format', /folder for each class/);
  });
});
