/** A case: a reader's valid files, one of them damaged. */
import { randomStream } from '../../dist/random.js';
import { READERS } from './readers.js';

/** Which reader a case is of: they take turns, by their shares. */
export function readerOf(index, readers) {
  const turns = readers.flatMap((reader) => Array.from({ length: reader.share }, () => reader));
  return turns[index % turns.length];
}

/** The readers of that name, or whose names begin so; all without a name. */
export function readersNamed(name) {
  return name === undefined
    ? READERS
    : READERS.filter((reader) => reader.name.toLowerCase().startsWith(name.toLowerCase()));
}

const filesOf = new Map();

/** A reader's valid files. */
export function validFiles(reader) {
  if (!filesOf.has(reader)) filesOf.set(reader, reader.files());
  return filesOf.get(reader);
}

/** The damaged files of a case, and whether a checksum covers what was damaged. The same numbers give the same bytes. */
export function makeCase(reader, index, seed) {
  const random = randomStream(seed, `${reader.name} ${index}`);
  const turns = reader.targets.flatMap((target) => Array.from({ length: target.share ?? 1 }, () => target));
  const { file, mutate, checked = false } = turns[random.integer(turns.length)];
  const files = { ...validFiles(reader) };
  const valid = Buffer.from(files[file]);
  do {
    files[file] = mutate(files[file], random);
  } while (valid.equals(files[file]));
  return { files, checked };
}
