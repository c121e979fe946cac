/** Parquet: a file, or a folder of files whose names say train, test or validation, as Hugging Face keeps its datasets. */

import { InputError } from '../../errors.js';
import { quoted } from '../../formats/quoted.js';
import { startsWith } from '../../formats/signature.js';
import type { Dataset, Labels, ReadDatasetOptions, Split } from '../dataset.js';
import { decodeSets, type ImageValues } from '../decoding/decode-sets.js';
import { unscaledBytesWarning } from '../features.js';
import type { Format } from '../format.js';
import { labelsFromNumbers, labelsFromWords } from '../labels.js';
import { partOf } from '../parts.js';
import type { SourceFile } from '../source/file.js';
import type { ImageFile } from '../source/folder.js';
import { folderFiles, type Source } from '../source/open.js';
import { isText } from '../source/text.js';
import type { Shard } from './shard.js';
import { PARQUET_SIGNATURE } from './signature.js';

/** A column of a table may be called PAR1, too. */
const isParquet = (file: SourceFile): boolean => startsWith(file.head, PARQUET_SIGNATURE) && !isText(file);

/** The files of the sets, in the order of their names. */
interface Files {
  train: SourceFile[];
  test: SourceFile[];
  notes: string[];
}

/** Files that a set lacks by the names of the others: `train-00000-of-00005.parquet`. */
function missingShards(files: readonly SourceFile[]): string[] {
  const [first] = files;
  const count = Number(/-of-(\d+)/.exec(first?.name ?? '')?.[1] ?? files.length);
  return files.length < count
    ? [`${first.path}: ${files.length} of the ${count} files of this set are present`]
    : [];
}

function chooseFiles(source: Source): Files {
  const files = folderFiles(source).filter(isParquet);
  const of = (part: string): SourceFile[] => files.filter(({ name }) => partOf(name) === part);
  if (source.kind === 'file' || (files.length === 1 && partOf(files[0].name) === null)) {
    return { train: files, test: [], notes: [] };
  }
  const [train, tests, validation] = [of('train'), of('test'), of('validation')];
  const test = tests.length > 0 ? tests : validation;
  return { train, test, notes: [...missingShards(train), ...missingShards(test)] };
}

async function readShards(files: readonly SourceFile[], options: ReadDatasetOptions): Promise<Shard[]> {
  // What reads the format is loaded for such files alone: every folder of data is asked whether it is one.
  const { readShard } = await import('./shard.js');
  const shards: Shard[] = [];
  for (const file of files) {
    shards.push(await readShard(file, options));
  }
  return shards;
}

function checkAlike([first, ...others]: readonly Shard[]): void {
  const kinds = (shard: Shard): string =>
    JSON.stringify([shard.read, shard.images !== null, typeof shard.labels[0]]);
  const other = others.find((shard) => kinds(shard) !== kinds(first));
  if (other) {
    throw new InputError(
      'dataset/parquet-columns',
      `${other.path.slice(-100)}: its columns are not those of ${first.path.slice(-100)}; give files of one set, with the same columns in the same order`,
    );
  }
}

function labelsOf(sets: readonly (readonly Shard[])[], path: string): Labels[] {
  const columns = sets.map((shards) => shards.flatMap<number | string>(({ labels }) => labels));
  return typeof columns[0][0] === 'string'
    ? labelsFromWords(columns as string[][], path)
    : labelsFromNumbers(columns as number[][]);
}

function tableOf(shards: readonly Shard[]): ImageValues {
  const width = shards[0].read.length - 1;
  const values = new Float32Array(shards.reduce((total, { features }) => total + features.length, 0));
  let filled = 0;
  for (const { features } of shards) {
    values.set(features, filled);
    filled += features.length;
  }
  return { shape: [width], layout: 'flat', values, byteImages: false };
}

/** Hugging Face writes -1 where the labels of a competition's test set are kept back. */
function isUnlabelled(shards: readonly Shard[]): boolean {
  return shards.length > 0 && shards.every(({ labels }) => labels.every((label) => label === -1));
}

async function readParquet(source: Source, options: ReadDatasetOptions): Promise<Dataset> {
  const { path } = source;
  const files = chooseFiles(source);
  const train = await readShards(files.train, options);
  const allTest = await readShards(files.test, options);
  const test = isUnlabelled(allTest) ? [] : allTest;
  const sets = [train, test].filter((shards) => shards.length > 0);
  const shards = sets.flat();
  checkAlike(shards);
  const labels = labelsOf(sets, path);
  const images = sets.map((set) => set.flatMap<ImageFile>((shard) => shard.images ?? []));
  const decoded =
    shards[0].images === null
      ? { sets: sets.map(tableOf), notes: [] }
      : await decodeSets(images, path, options.memoryBytes);
  const splits = sets.map(
    (set, index): Split => ({
      count: set.reduce((total, { rows }) => total + rows, 0),
      ...decoded.sets[index],
      labels: labels[index],
    }),
  );
  const { unread } = shards[0];
  return {
    path,
    format: 'parquet',
    train: train.length > 0 ? splits[0] : null,
    test: test.length > 0 ? splits[splits.length - 1] : null,
    warnings: [
      ...files.notes,
      ...(test.length < allTest.length
        ? [`${allTest[0].path}: all its labels are -1, so it is left aside`]
        : []),
      ...(unread.length > 0
        ? [`${path}: not read, as there are images: ${unread.slice(0, 4).map(quoted).join(', ')}`]
        : []),
      ...decoded.notes,
      ...splits.flatMap(({ values, shape }) =>
        values instanceof Float32Array ? unscaledBytesWarning(values, shape[0], path) : [],
      ),
    ],
  };
}

/** Parquet files. */
export const PARQUET_FORMAT: Format = {
  name: 'Parquet',
  options: ['labelColumn', 'layout'],
  matchesFile: isParquet,
  matchesFolder: ({ files }) => {
    const found = files.filter(isParquet);
    return found.length === 1 || found.some(({ name }) => ['train', 'test'].includes(partOf(name) ?? ''))
      ? 'yes'
      : 'no';
  },
  read: readParquet,
};
