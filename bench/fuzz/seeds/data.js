/** Small data sets of every format. */

import { gzipSync } from 'node:zlib';
import { randomStream } from '../../../dist/random.js';
import { encoder, normals, npy, tar, zip } from './basics.js';

const random = randomStream(3, 'data');
const COUNT = 12;
const pixels = Uint8Array.from({ length: COUNT * 16 }, () => random.integer(256));
const classes = Uint8Array.from({ length: COUNT }, (_, i) => i % 2);

/** Images and labels. */
export function dataArchive() {
  return zip({
    'x_train.npy': npy('|u1', [COUNT, 4, 4, 1], pixels),
    'y_train.npy': npy('<i8', [COUNT], BigInt64Array.from(classes, BigInt)),
    'x_test.npy': npy('<f4', [4, 4, 4, 1], normals(64, 'test')),
    'y_test.npy': npy('<i4', [4], Int32Array.of(0, 1, 1, 0)),
  });
}

function idx(shape, values) {
  const head = new Uint8Array(4 + 4 * shape.length);
  head.set([0, 0, 8, shape.length]);
  shape.forEach((size, axis) => {
    new DataView(head.buffer).setUint32(4 + 4 * axis, size);
  });
  return Uint8Array.from(Buffer.concat([head, values]));
}

/** MNIST's four files, small. */
export function idxFiles() {
  return {
    'train-images-idx3-ubyte': idx([COUNT, 4, 4], pixels),
    'train-labels-idx1-ubyte': idx([COUNT], classes),
    't10k-images-idx3-ubyte': idx([4, 4, 4], pixels.subarray(0, 64)),
    't10k-labels-idx1-ubyte': idx([4], classes.subarray(0, 4)),
  };
}

/** The same, gzipped. */
export function gzippedIdxFiles() {
  return Object.fromEntries(
    Object.entries(idxFiles()).map(([name, bytes]) => [`${name}.gz`, Uint8Array.from(gzipSync(bytes))]),
  );
}

/** Two batches and the test batch of CIFAR-10, of three images each. */
export function cifarFiles() {
  const batch = (seed) => {
    const bytes = Uint8Array.from({ length: 3 * 3073 }, (_, i) => (i * seed) % 251);
    for (let i = 0; i < 3; i++) bytes[3073 * i] = i;
    return bytes;
  };
  return { 'data_batch_1.bin': batch(3), 'data_batch_2.bin': batch(5), 'test_batch.bin': batch(7) };
}

/** CIFAR-10's archive as it is downloaded. */
export function cifarArchive() {
  const members = Object.entries(cifarFiles()).map(([name, bytes]) => [
    `cifar-10-batches-bin/${name}`,
    bytes,
  ]);
  return Uint8Array.from(gzipSync(tar(Object.fromEntries(members))));
}

/** A table with a header, quotes and a label column. */
export function csvFile() {
  const rows = Array.from({ length: COUNT }, (_, i) =>
    [...normals(3, `row ${i}`)]
      .map((value) => value.toFixed(4))
      .concat(`"${i % 2 ? 'cat' : 'dog'}"`)
      .join(','),
  );
  return encoder.encode(`a,"b, c",d,label\n${rows.join('\n')}\n`);
}
