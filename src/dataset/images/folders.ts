/**
 * Which images a folder holds and of which class each is: a folder a class, as torchvision's ImageFolder takes them, below
 * `train` and `test` or `val`, or TinyImageNet's validation set with its file of annotations.
 */

import { InputError } from '../../errors.js';
import { quoted } from '../../formats/quoted.js';
import { MAX_CLASSES } from '../labels.js';
import type { ImageFile, SourceFolder, SubFolder } from '../source/folder.js';

/** Folders within that of a class that are looked into: TinyImageNet has one, `images`. */
const MAX_LEVELS = 3;

/** Folders that are opened to see whether they are classes. */
const LOOKED_INTO = 3;

const TRAIN = /^(train|training)$/i;
const TESTS: readonly RegExp[] = [/^(test|testing)$/i, /^(val|valid|validation)$/i];
const ANNOTATIONS = 'val_annotations.txt';
/** TinyImageNet's list of its classes, one a line, in the order of their numbers. */
const CLASS_LIST = 'wnids.txt';

/** An image and the name of its class. */
export interface LabelledImage {
  image: ImageFile;
  className: string;
}

/** The images of a folder. */
export interface ImageSets {
  train: LabelledImage[] | null;
  test: LabelledImage[] | null;
  /** As TinyImageNet's list has them, else sorted, as torchvision sorts them; the number of a class is its place. */
  classes: string[];
  notes: string[];
}

/** The folders of a set by their part. */
interface Parts {
  train: SubFolder | null;
  tests: SubFolder[];
}

function partsOf(folder: SourceFolder): Parts {
  const find = (pattern: RegExp): SubFolder | undefined =>
    folder.folders.find(({ name }) => pattern.test(name));
  return { train: find(TRAIN) ?? null, tests: TESTS.map(find).filter((part) => part !== undefined) };
}

/** Whether a folder has images, or a folder with images. */
async function hasImages(folder: SourceFolder): Promise<boolean> {
  if (folder.images.length > 0) {
    return true;
  }
  const [first] = folder.folders;
  return first !== undefined && (await first.open()).images.length > 0;
}

/** Whether a folder holds folders of classes, by the first of them. */
async function hasClasses(folder: SourceFolder, atLeast: number): Promise<boolean> {
  const looked = folder.folders.slice(0, LOOKED_INTO);
  if (looked.length < atLeast) {
    return false;
  }
  for (const below of looked) {
    if (!(await hasImages(await below.open()))) {
      return false;
    }
  }
  return looked.length > 0;
}

/** Whether a folder holds sets of images by class, or folders of classes themselves. */
export async function hasImageSets(folder: SourceFolder): Promise<boolean> {
  const { train, tests } = partsOf(folder);
  if (train) {
    return hasClasses(await train.open(), 1);
  }
  return tests.length === 0 && folder.images.length === 0 && hasClasses(folder, 2);
}

async function imagesBelow(folder: SourceFolder, levels: number): Promise<ImageFile[]> {
  const below: ImageFile[] = [];
  for (const inner of levels > 0 ? folder.folders : []) {
    below.push(...(await imagesBelow(await inner.open(), levels - 1)));
  }
  return [...folder.images, ...below];
}

/** All images of the folders of classes, class by class in the order of their names. */
async function imagesByClass(folder: SourceFolder): Promise<LabelledImage[]> {
  const images: LabelledImage[] = [];
  for (const { name, path, open } of folder.folders) {
    const found = await imagesBelow(await open(), MAX_LEVELS);
    if (found.length === 0) {
      throw new InputError(
        'dataset/image-class',
        `${path}: the folder of a class without images; fill it or remove it`,
      );
    }
    for (const image of found) {
      images.push({ image, className: name });
    }
  }
  return images;
}

/** TinyImageNet's: the images of a folder, their classes in a file of lines `image<TAB>class<TAB>...`. */
async function annotatedImages(folder: SourceFolder): Promise<LabelledImage[] | null> {
  const file = folder.files.find(({ name }) => name === ANNOTATIONS);
  const inner = folder.folders.find(({ name }) => name === 'images');
  if (!file || !inner) {
    return null;
  }
  const classOf = new Map<string, string>();
  for (const line of new TextDecoder().decode(await file.read()).split(/\r?\n/)) {
    const [name, className] = line.split('\t');
    if (className) {
      classOf.set(name, className);
    }
  }
  return (await inner.open()).images.map((image) => {
    const className = classOf.get(image.name);
    if (className === undefined) {
      throw new InputError(
        'dataset/image-class',
        `${image.path}: ${file.path} does not name its class; take both from the same source`,
      );
    }
    return { image, className };
  });
}

async function imagesOf(part: SubFolder): Promise<LabelledImage[] | null> {
  const folder = await part.open();
  return (await annotatedImages(folder)) ?? ((await hasClasses(folder, 1)) ? imagesByClass(folder) : null);
}

/** The first part that is sorted by class; others are left aside, which the notes say. */
async function chooseTest(
  parts: readonly SubFolder[],
  classes: readonly string[],
): Promise<Omit<ImageSets, 'train' | 'classes'>> {
  const notes: string[] = [];
  let test: LabelledImage[] | null = null;
  for (const part of parts) {
    if (test !== null) {
      notes.push(`${part.path}: is left aside, as there is a test set`);
      continue;
    }
    const images = await imagesOf(part);
    // The unlabelled images of a competition lie in one folder.
    const isLabelled = images?.some(({ className }) => classes.includes(className)) ?? false;
    if (images === null || !isLabelled) {
      notes.push(
        `${part.path}: its images are in no folders of the training set's classes, so it is left aside`,
      );
    } else {
      checkClasses(images, classes, part.path);
      test = images;
    }
  }
  return { test, notes };
}

/** Both sets must number their classes alike, which by sorted names they only do where the names are the same. */
function checkClasses(images: readonly LabelledImage[], classes: readonly string[], path: string): void {
  const known = new Set(classes);
  const found = new Set(images.map(({ className }) => className));
  const other = [...found].find((name) => !known.has(name));
  const missing = classes.find((name) => !found.has(name));
  if (other !== undefined || missing !== undefined) {
    const problem =
      other !== undefined
        ? `has the class ${quoted(other)}, which the training set lacks`
        : `lacks the class ${quoted(missing as string)} of the training set`;
    throw new InputError(
      'dataset/image-classes',
      `${path}: ${problem}; classes are numbered by those of the training set, so give both sets the same`,
    );
  }
}

/**
 * The classes in the order of TinyImageNet's list, where there is one.
 *
 * @param sorted the classes that there are images of
 * @throws InputError where the list has others
 */
async function orderedClasses(folder: SourceFolder, sorted: readonly string[]): Promise<string[]> {
  const file = folder.files.find(({ name }) => name === CLASS_LIST);
  if (!file) {
    return [...sorted];
  }
  const lines = new TextDecoder().decode(await file.read()).split(/\r?\n/);
  const listed = lines.map((line) => line.trim()).filter((line) => line !== '');
  const [known, found] = [new Set(listed), new Set(sorted)];
  const unlisted = sorted.find((name) => !known.has(name));
  const missing = listed.find((name) => !found.has(name));
  if (unlisted !== undefined || missing !== undefined || known.size !== listed.length) {
    const problem =
      unlisted !== undefined
        ? `lacks the class ${quoted(unlisted)}, of which there are images`
        : missing !== undefined
          ? `has the class ${quoted(missing)}, of which there are no images`
          : 'has a class twice';
    throw new InputError(
      'dataset/image-classes',
      `${file.path}: ${problem}; it numbers the classes, so take all from one source, or remove it to number them by their sorted names`,
    );
  }
  return listed;
}

/**
 * The images of a folder by class.
 *
 * @throws InputError where a class has no images, there is only one class, or both sets do not have the same
 */
export async function listImages(folder: SourceFolder): Promise<ImageSets> {
  const { train, tests } = partsOf(folder);
  const images = await imagesByClass(train ? await train.open() : folder);
  const classes = [...new Set(images.map(({ className }) => className))].sort();
  if (classes.length < 2 || classes.length > MAX_CLASSES) {
    throw new InputError(
      'dataset/image-class',
      `${(train ?? folder).path}: ${classes.length} folder(s) of a class (${quoted(classes[0] ?? '')}), expected 2 to ${MAX_CLASSES}; put the images of each class into a folder of its own`,
    );
  }
  const ordered = await orderedClasses(folder, classes);
  return { train: images, classes: ordered, ...(await chooseTest(tests, ordered)) };
}
