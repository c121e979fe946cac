/** What zeros a file of weights has and what they are worth, without data and without computing. */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type NamedWeight, readNamedWeights } from './checkpoint/named-weights.js';
import { breakEvenDensity, channelAxes, storedSizes, weightSparsity } from './pruning/sparsity.js';
import type { InspectedWeight, Inspection } from './report/inspection.js';
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
    kernel: shape.length >= 2,
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

function zerosOf(parts: readonly { weights: number; zeros: number }[]): Inspection['all'] {
  const weights = parts.reduce((sum, part) => sum + part.weights, 0);
  const zeros = parts.reduce((sum, part) => sum + part.zeros, 0);
  return { weights, zeros, sparsity: weights === 0 ? null : zeros / weights };
}

/**
 * Inspects a model or a file of weights.
 *
 * @throws InputError where it cannot be read
 */
export async function inspect(path: string): Promise<Inspection> {
  const read = await readNamedWeights(path);
  const weights = read.weights.map(inspectWeight);
  const sum = (form: 'dense' | 'positions' | 'bitmask'): number =>
    weights.reduce((total, { bytes }) => total + bytes[form], 0);
  const elements = weights.reduce((total, weight) => total + weight.weights, 0);
  return {
    schemaVersion,
    ok: true,
    path: read.path,
    format: read.format,
    all: zerosOf(weights),
    kernels: zerosOf(weights.filter(({ kernel }) => kernel)),
    bytes: {
      dense: sum('dense'),
      positions: sum('positions'),
      bitmask: sum('bitmask'),
      ...(await fileSizes(read.files)),
    },
    breakEvenDensity: elements === 0 ? null : breakEvenDensity(sum('dense') / elements),
    weights,
  };
}
