/** What zeros a file of weights has and what they are worth, without data and without computing. */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type NamedWeight, type NamedWeights, readNamedWeights } from './checkpoint/named-weights.js';
import { breakEvenDensity, channelAxes, storedSizes, weightSparsity } from './pruning/sparsity.js';
import type { FileFigures, InspectedWeight, Inspection } from './report/inspection.js';
import { schemaVersion } from './report/schema-version.js';

/** Bytes of files as they are and as gzip makes them, one by one. */
async function fileSizes(files: readonly string[]): Promise<{ file: number; gzipped: number }> {
  const sizes = { file: 0, gzipped: 0 };
  for (const path of files) {
    const content = createReadStream(path);
    await pipeline(content, createGzip(), async (compressed: AsyncIterable<Buffer>) => {
      for await (const part of compressed) {
        sizes.gzipped += part.length;
      }
    });
    sizes.file += content.bytesRead;
  }
  return sizes;
}

function inspectWeight(weight: NamedWeight): InspectedWeight {
  const { name, shape, dtype, values, elementBytes } = weight;
  const { zeros, patterns, channels } = weightSparsity(values, shape, channelAxes(weight));
  return {
    name,
    shape: [...shape],
    dtype,
    kernel: isKernel(shape),
    ...zerosOf([{ weights: values.length, zeros }]),
    bytes: storedSizes(values.length, values.length - zeros, elementBytes),
    patterns: patterns.map(({ kept, group, conforming, groups }) => ({
      pattern: `${kept}:${group}`,
      share: groups === 0 ? 1 : conforming / groups,
      conforms: conforming === groups,
    })),
    channels,
  };
}

/** Has inputs and outputs. */
function isKernel(shape: readonly number[]): boolean {
  return shape.length >= 2;
}

function zerosOf(parts: readonly { weights: number; zeros: number }[]): Inspection['all'] {
  const weights = parts.reduce((sum, part) => sum + part.weights, 0);
  const zeros = parts.reduce((sum, part) => sum + part.zeros, 0);
  return { weights, zeros, sparsity: weights === 0 ? null : zeros / weights };
}

/**
 * Zeros and bytes of weights, and of the files that hold them.
 *
 * @throws the file system's error where one of the files is gone
 */
export async function fileFigures(read: NamedWeights): Promise<FileFigures> {
  const counted = read.weights.map(({ values, shape, elementBytes }) => {
    const zeros = values.reduce((count, value) => count + (value === 0 ? 1 : 0), 0);
    const bytes = storedSizes(values.length, values.length - zeros, elementBytes);
    return { weights: values.length, zeros, bytes, kernel: isKernel(shape) };
  });
  const sum = (form: 'dense' | 'positions' | 'bitmask'): number =>
    counted.reduce((total, { bytes }) => total + bytes[form], 0);
  return {
    path: read.path,
    format: read.format,
    all: zerosOf(counted),
    kernels: zerosOf(counted.filter(({ kernel }) => kernel)),
    bytes: {
      dense: sum('dense'),
      positions: sum('positions'),
      bitmask: sum('bitmask'),
      ...(await fileSizes(read.files)),
    },
  };
}

/**
 * Inspects a model or a file of weights.
 *
 * @throws InputError where it cannot be read
 */
export async function inspect(path: string): Promise<Inspection> {
  const read = await readNamedWeights(path);
  const figures = await fileFigures(read);
  const elements = figures.all.weights;
  return {
    schemaVersion,
    ok: true,
    ...figures,
    breakEvenDensity: elements === 0 ? null : breakEvenDensity(figures.bytes.dense / elements),
    weights: read.weights.map(inspectWeight),
  };
}
