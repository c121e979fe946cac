/** Folders of images by class, PNG or JPEG. */

import type { Dataset, ReadDatasetOptions, Split } from '../dataset.js';
import { decodeSets } from '../decoding/decode-sets.js';
import type { Format } from '../format.js';
import type { SourceFolder } from '../source/folder.js';
import { hasImageSets, listImages } from './folders.js';

/**
 * Reads folders of images by class (see `listImages` and `decodeSets`). Classes are numbered by
 * TinyImageNet's list where it is there, else by their sorted names.
 *
 * @throws InputError for folders or images that are not read
 */
async function readImages(path: string, folder: SourceFolder, options: ReadDatasetOptions): Promise<Dataset> {
  const { train, test, classes, notes } = await listImages(folder);
  const sets = [train, test].filter((set) => set !== null);
  const files = sets.map((set) => set.map(({ image }) => image));
  const decoded = await decodeSets(files, path, options.memoryBytes);
  const numberOf = new Map(classes.map((name, index) => [name, index]));
  const splits = sets.map(
    (set, index): Split => ({
      count: set.length,
      ...decoded.sets[index],
      labels: {
        kind: 'classes',
        values: Int32Array.from(set, ({ className }) => numberOf.get(className) as number),
        classCount: classes.length,
      },
    }),
  );
  return {
    path,
    format: 'images',
    train: train && splits[0],
    test: test && splits[splits.length - 1],
    warnings: [...notes, ...decoded.notes],
  };
}

/** Folders of images by class. */
export const IMAGES_FORMAT: Format = {
  name: 'image folder',
  options: ['layout'],
  matchesFile: () => false,
  matchesFolder: async (folder) => ((await hasImageSets(folder)) ? 'yes' : 'no'),
  read: (source, options) => {
    if (source.kind === 'file') {
      throw new TypeError('a file is no folder of images');
    }
    return readImages(source.path, source.folder, options);
  },
};
