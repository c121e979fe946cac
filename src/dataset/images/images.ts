/** Folders of images by class, PNG or JPEG. */

import type { Dataset, Labels, ReadDatasetOptions, Split, StoredDataset, StoredSplit } from '../dataset.js';
import { decodeSets, type ImageValues, openSets, type StreamedImages } from '../decoding/decode-sets.js';
import type { Format } from '../format.js';
import { gatherLabels } from '../labels.js';
import type { ImageFile, SourceFolder } from '../source/folder.js';
import type { Source } from '../source/open.js';
import { hasImageSets, type ImageSets, type LabelledImage, listImages } from './folders.js';

/** The sets of a folder as lists of files, each with its labels. */
function listed({ train, test, classes }: ImageSets): { files: ImageFile[][]; labels: Labels[] } {
  const sets = [train, test].filter((set) => set !== null);
  const numberOf = new Map(classes.map((name, index) => [name, index]));
  const labelsOf = (set: readonly LabelledImage[]): Labels => ({
    kind: 'classes',
    values: Int32Array.from(set, ({ className }) => numberOf.get(className) as number),
    classCount: classes.length,
  });
  return { files: sets.map((set) => set.map(({ image }) => image)), labels: sets.map(labelsOf) };
}

const splitOf = (images: ImageValues, labels: Labels): Split => ({
  ...images,
  count: labels.values.length,
  labels,
});

function storedSplit(images: ImageValues | StreamedImages, labels: Labels): StoredSplit {
  return 'read' in images
    ? {
        ...images,
        labels,
        read: async (order) => splitOf(await images.read(order), gatherLabels(labels, order)),
      }
    : splitOf(images, labels);
}

/** The splits as a dataset has them. */
const partsOf = <Each>({ train, test }: ImageSets, splits: readonly Each[]) => ({
  train: train && splits[0],
  test: test && splits[splits.length - 1],
});

/**
 * Reads folders of images by class (see `listImages` and `decodeSets`). Classes are numbered by
 * TinyImageNet's list where it is there, else by their sorted names.
 *
 * @throws InputError for folders or images that are not read
 */
async function readImages(path: string, folder: SourceFolder, options: ReadDatasetOptions): Promise<Dataset> {
  const found = await listImages(folder);
  const { files, labels } = listed(found);
  const { sets, notes } = await decodeSets(files, path, options.memoryBytes);
  const splits = sets.map((images, index) => splitOf(images, labels[index]));
  return { path, format: 'images', ...partsOf(found, splits), warnings: [...found.notes, ...notes] };
}

/**
 * The same, streamed where the images do not fit into the memory limit.
 *
 * @throws InputError for folders or images that are not read
 */
async function openImages(
  path: string,
  folder: SourceFolder,
  { memoryBytes = Number.POSITIVE_INFINITY }: ReadDatasetOptions,
): Promise<StoredDataset> {
  const found = await listImages(folder);
  const { files, labels } = listed(found);
  const { sets, notes } = await openSets(files, path, memoryBytes);
  const splits = sets.map((images, index) => storedSplit(images, labels[index]));
  return { path, format: 'images', ...partsOf(found, splits), warnings: [...found.notes, ...notes] };
}

function folderOf(source: Source): SourceFolder {
  if (source.kind === 'file') {
    throw new TypeError('a file is no folder of images');
  }
  return source.folder;
}

/** Folders of images by class. */
export const IMAGES_FORMAT: Format = {
  name: 'image folder',
  options: ['layout'],
  matchesFile: () => false,
  matchesFolder: async (folder) => ((await hasImageSets(folder)) ? 'yes' : 'no'),
  read: (source, options) => readImages(source.path, folderOf(source), options),
  open: (source, options) => openImages(source.path, folderOf(source), options),
};
