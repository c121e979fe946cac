/**
 * The readers that are fuzzed, a row each: valid files, what is damaged in them and how, and how they are read. A new
 * reader is a new row.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { tensor, tidy, zeros } from '@tensorflow/tfjs-core';
import { unzipSync } from 'fflate';
import { readCheckpoint } from '../../dist/checkpoint/registry.js';
import { readCheckpointWithWeights } from '../../dist/checkpoint/weights/assign-weights.js';
import { resolveAnalyzeConfig } from '../../dist/cli/resolve-config.js';
import { readDataset } from '../../dist/dataset/registry.js';
import { parseNpy } from '../../dist/formats/npy.js';
import { unzipMembers } from '../../dist/formats/zip.js';
import { createNetwork, describeNetwork } from '../../dist/network/create-network.js';
import { silentProgress } from '../../dist/progress.js';
import { limitChoices } from '../../dist/report/limit-choices.js';
import { limitToPruneTo, readReportedLimits } from '../../dist/report/pruning-limits.js';
import {
  mutateBytes,
  mutateHead,
  mutateInside,
  mutateJson,
  mutateJsonBelow,
  mutateMessage,
  mutateText,
} from './mutations.js';
import * as seeds from './seeds.js';

/** Networks with larger examples are read and built, but not run. */
const MAX_EXAMPLE_VALUES = 100_000;

/**
 * @typedef {object} Target
 * @property {string} file
 * @property {(bytes: Uint8Array, random: object) => Uint8Array} mutate
 * @property {number} [share] how often it is damaged, against the others; 1 unless given
 * @property {boolean} [checked] a checksum covers it: what is accepted must give the numbers of the valid files
 *
 * @typedef {object} Reader
 * @property {string} name
 * @property {number} share how many of the cases are its, against the others
 * @property {() => Record<string, Uint8Array>} files
 * @property {Target[]} targets
 * @property {(folder: string, bytes: (file: string) => Uint8Array) => Promise<unknown>} read gives all numbers
 */

/** The JSON of a safetensors file, its length made right again. */
const insideHeader = mutateInside(
  (bytes) => bytes.subarray(8, 8 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)),
  mutateJson,
  (header, bytes) => {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    return seeds.safetensorsOf(header, bytes.subarray(8 + length));
  },
);

/** One member of an archive, its checksum made right again. */
function insideMember(bytes, random) {
  const members = unzipSync(bytes);
  const names = Object.keys(members).sort();
  const name = names[random.integer(names.length)];
  return seeds.zip({ ...members, [name]: mutateHead(members[name], random) });
}

/** What is gzipped, its checksum made right again. */
const insideGzip = (mutate) =>
  mutateInside(
    (bytes) => Uint8Array.from(gunzipSync(bytes)),
    mutate,
    (content) => Uint8Array.from(gzipSync(content)),
  );

/** The checkpoint and its outputs for two examples, as an analysis builds and runs it. */
async function build(checkpoint) {
  await describeNetwork(checkpoint);
  const network = await createNetwork(checkpoint);
  try {
    const shape = network.inputShape.map((size) => size ?? 2);
    const size = shape.reduce((product, extent) => product * extent, 1);
    const outputs =
      size * Math.max(1, network.outputs) > MAX_EXAMPLE_VALUES
        ? null
        : tidy(() => {
            const weights = network.prunable.map(({ shape: extents, offset, size: count }) =>
              tensor(network.weights.slice(offset, offset + count), extents),
            );
            return network.logits(weights, zeros([2, ...shape])).dataSync();
          });
    return [checkpoint.weights.map(({ name, values }) => [name, values]), network.prunable, outputs];
  } finally {
    network.dispose();
  }
}

const splitNumbers = (split) =>
  split && [split.count, split.shape, split.values, split.byteImages, split.labels];
const dataNumbers = ({ train, test }) => [splitNumbers(train), splitNumbers(test)];

const readModel = (file) => async (folder) => build(await readCheckpoint(join(folder, file)));
const readData = (options) => async (folder) => dataNumbers(await readDataset(folder, options));

const modelTargets = [
  { file: 'model.json', mutate: mutateJson, share: 6 },
  { file: 'model.json', mutate: mutateJsonBelow('modelTopology'), share: 8 },
  { file: 'a.bin', mutate: mutateBytes },
  { file: 'b.bin', mutate: mutateBytes },
];

const withModel = (name, bytes) => () => ({ ...seeds.sequentialModel(), [name]: bytes() });
const readWeights = (name) => async (folder) => {
  const { weights } = await readCheckpointWithWeights(
    join(folder, 'model.json'),
    join(folder, name),
    silentProgress,
  );
  return weights.map((weight) => [weight.name, weight.values]);
};

/** @type {Reader[]} */
export const READERS = [
  {
    name: 'model.json, sequential',
    share: 3,
    files: seeds.sequentialModel,
    targets: modelTargets,
    read: readModel('model.json'),
  },
  {
    name: 'model.json, functional',
    share: 3,
    files: seeds.functionalModel,
    targets: modelTargets,
    read: readModel('model.json'),
  },
  {
    name: 'model.json, varied',
    share: 3,
    files: seeds.variedModel,
    targets: modelTargets,
    read: readModel('model.json'),
  },
  {
    name: 'ONNX, shaping',
    share: 4,
    files: seeds.shapingModel,
    targets: [{ file: 'net.onnx', mutate: mutateMessage }],
    read: readModel('net.onnx'),
  },
  {
    name: 'ONNX, external data',
    share: 5,
    files: seeds.onnxModel,
    targets: [
      { file: 'net.onnx', mutate: mutateMessage, share: 12 },
      { file: 'net.data', mutate: mutateBytes },
    ],
    read: readModel('net.onnx'),
  },
  {
    name: 'safetensors',
    share: 2,
    files: withModel('w.safetensors', seeds.safetensorsFile),
    targets: [
      { file: 'w.safetensors', mutate: insideHeader, share: 3 },
      { file: 'w.safetensors', mutate: mutateHead },
      { file: 'w.safetensors', mutate: mutateBytes },
    ],
    read: readWeights('w.safetensors'),
  },
  {
    name: 'npz of weights',
    share: 2,
    files: withModel('w.npz', seeds.weightArchive),
    targets: [
      { file: 'w.npz', mutate: mutateBytes, checked: true },
      { file: 'w.npz', mutate: insideMember },
    ],
    read: readWeights('w.npz'),
  },
  {
    name: 'npz of data',
    share: 2,
    files: () => ({ 'data.npz': seeds.dataArchive() }),
    targets: [
      { file: 'data.npz', mutate: mutateBytes, checked: true },
      { file: 'data.npz', mutate: insideMember },
    ],
    read: readData(),
  },
  {
    name: 'npy',
    share: 1,
    files: () => ({
      'x.npy': seeds.npy(
        '<f8',
        [2, 3, 2],
        Float64Array.from({ length: 12 }, (_, i) => i),
      ),
    }),
    targets: [{ file: 'x.npy', mutate: mutateHead }],
    read: async (_, bytes) => parseNpy(bytes('x.npy'), 'x.npy'),
  },
  {
    name: 'zip',
    share: 1,
    files: () => ({
      'x.zip': seeds.zip({
        'a/one': Uint8Array.from({ length: 500 }, (_, i) => i % 7),
        two: Uint8Array.of(1, 2, 3),
      }),
    }),
    targets: [{ file: 'x.zip', mutate: mutateBytes, checked: true }],
    read: async (_, bytes) => [...unzipMembers(bytes('x.zip'), () => true, 'x.zip')].sort(),
  },
  {
    name: 'CSV',
    share: 1,
    files: () => ({ 'data.csv': seeds.csvFile() }),
    targets: [{ file: 'data.csv', mutate: mutateText }],
    read: readData({ labelColumn: 'label' }),
  },
  {
    name: 'CSV, gzipped',
    share: 1,
    files: () => ({ 'data.csv.gz': Uint8Array.from(gzipSync(seeds.csvFile())) }),
    targets: [
      { file: 'data.csv.gz', mutate: mutateBytes, checked: true },
      { file: 'data.csv.gz', mutate: insideGzip(mutateText) },
    ],
    read: readData({ labelColumn: 'label' }),
  },
  {
    name: 'CSV in a zip',
    share: 1,
    files: () => ({ 'data.zip': seeds.zip({ 'data.csv': seeds.csvFile() }) }),
    targets: [{ file: 'data.zip', mutate: mutateBytes, checked: true }],
    read: readData({ labelColumn: 'label' }),
  },
  {
    name: 'CIFAR tar.gz',
    share: 1,
    files: () => ({ 'cifar-10-binary.tar.gz': seeds.cifarArchive() }),
    targets: [
      { file: 'cifar-10-binary.tar.gz', mutate: mutateBytes, checked: true },
      { file: 'cifar-10-binary.tar.gz', mutate: insideGzip(mutateHead) },
    ],
    read: readData(),
  },
  {
    name: 'IDX',
    share: 1,
    files: seeds.idxFiles,
    targets: Object.keys(seeds.idxFiles()).map((file) => ({ file, mutate: mutateHead })),
    read: readData(),
  },
  {
    name: 'IDX, gzipped',
    share: 1,
    files: seeds.gzippedIdxFiles,
    targets: Object.keys(seeds.gzippedIdxFiles()).map((file) => ({
      file,
      mutate: mutateBytes,
      checked: true,
    })),
    read: readData(),
  },
  {
    name: 'CIFAR binary',
    share: 1,
    files: seeds.cifarFiles,
    targets: Object.keys(seeds.cifarFiles()).map((file) => ({ file, mutate: mutateBytes })),
    read: readData(),
  },
  {
    name: 'configuration',
    share: 2,
    files: () => ({ 'prune-limit.json': seeds.configFile() }),
    targets: [{ file: 'prune-limit.json', mutate: mutateJson }],
    read: async (folder) =>
      resolveAnalyzeConfig(
        { flags: {}, modelPath: join(folder, 'model.json'), cwd: folder, metadata: {} },
        silentProgress,
      ),
  },
  {
    name: 'report, for --at-limit',
    share: 2,
    files: () => ({ 'report.json': seeds.reportFile() }),
    targets: [{ file: 'report.json', mutate: mutateJson }],
    read: async (_, bytes) => {
      const text = new TextDecoder().decode(bytes('report.json'));
      const report = readReportedLimits(text, 'report.json');
      const fractions = limitChoices.map((limit) => {
        try {
          return limitToPruneTo(report, limit);
        } catch (error) {
          if (error?.name !== 'InputError') throw error;
          return error.code;
        }
      });
      const wrong = fractions.find(
        (fraction) => typeof fraction === 'number' && !(fraction >= 0 && fraction <= 1),
      );
      if (wrong !== undefined) throw new Error(`a report gave the fraction ${wrong}`);
      return fractions;
    },
  },
];

/** Numbers as a hex digest: whether two readings agree, bit for bit. */
export function digest(value) {
  const hash = createHash('sha256');
  const visit = (item) => {
    if (ArrayBuffer.isView(item)) {
      hash.update(`${item.constructor.name}${item.length}`);
      hash.update(new Uint8Array(item.buffer, item.byteOffset, item.byteLength));
    } else if (Array.isArray(item)) {
      hash.update(`[${item.length}`);
      item.forEach(visit);
    } else if (typeof item === 'object' && item !== null) {
      for (const [key, inner] of Object.entries(item)) {
        hash.update(key);
        visit(inner);
      }
    } else {
      hash.update(`${typeof item}${String(item)}`);
    }
  };
  visit(value);
  return hash.digest('hex');
}
