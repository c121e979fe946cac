/** One Parquet file as labels with numbers or images. */

import { InputError } from '../../errors.js';
import { quoted } from '../../formats/quoted.js';
import type { ReadDatasetOptions } from '../dataset.js';
import { findLabelColumn } from '../label-column.js';
import type { SourceFile } from '../source/file.js';
import type { ImageFile } from '../source/folder.js';
import { type DecodedColumn, decodeColumns } from './decode-columns.js';
import { type Column, type ParquetSchema, readSchema } from './schema.js';

/** What a file holds. */
export interface Shard {
  path: string;
  rows: number;
  /** Names of the columns that are read, the label's last. */
  read: string[];
  /** Names of columns that are not. */
  unread: string[];
  labels: number[] | string[];
  /** Numbers, row by row; empty where there are images. */
  features: Float32Array;
  /** Images; null where there are numbers. */
  images: ImageFile[] | null;
}

/** Which columns are what. */
interface Roles {
  label: Column;
  image: Column | null;
  features: Column[];
  unread: string[];
}

function rolesOf({ columns }: ParquetSchema, labelColumn: string | undefined, path: string): Roles {
  const names = columns.map(({ name }) => name);
  const label = columns[findLabelColumn(names, names.length, labelColumn, path)];
  const others = columns.filter((column) => column !== label);
  const images = others.filter(({ kind }) => kind === 'image');
  if (typeof label.kind === 'object' || label.kind === 'image') {
    throw new InputError(
      'dataset/label-column',
      `${path}: the label column ${quoted(label.name)} holds neither numbers nor text; name another with --label-column`,
    );
  }
  if (images.length > 1) {
    throw new InputError(
      'dataset/ambiguous',
      `${path}: several columns hold images (${images
        .slice(0, 4)
        .map(({ name }) => quoted(name))
        .join(', ')}); write a file with one`,
    );
  }
  if (images.length === 1) {
    const unread = others.filter((column) => column !== images[0]).map(({ name }) => name);
    return { label, image: images[0], features: [], unread };
  }
  const strange = others.find(({ kind }) => kind !== 'number');
  if (strange) {
    const what = typeof strange.kind === 'object' ? strange.kind.other : strange.kind;
    throw new InputError(
      'dataset/not-a-number',
      `${path}, column ${quoted(strange.name)}: holds ${what}; features must be numbers, so encode or drop the column (or name it with --label-column if it is the label)`,
    );
  }
  if (others.length === 0) {
    throw new InputError(
      'dataset/shape',
      `${path}: only one column, so there are no features; write them with it`,
    );
  }
  return { label, image: null, features: others, unread: [] };
}

/** Values of a column with their rows. */
function* valuesOf({ chunks }: DecodedColumn): Generator<[number, unknown]> {
  let row = 0;
  for (const chunk of chunks) {
    for (let i = 0; i < chunk.length; i++, row++) {
      yield [row, chunk[i]];
    }
  }
}

function checkRows({ name, chunks }: DecodedColumn, rows: number, path: string): void {
  const found = chunks.reduce((total, { length }) => total + length, 0);
  if (found !== rows) {
    throw new InputError(
      'dataset/corrupt-parquet',
      `${path}, column ${quoted(name)}: ${found} values, but the file has ${rows} rows; download or write it again`,
    );
  }
}

/** A number of a column; a 64-bit integer beyond 2^53 is rounded, to more digits than float32 keeps. */
function numberOf(value: unknown, row: number, name: string, path: string): number {
  const number = typeof value === 'bigint' || typeof value === 'boolean' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(Math.fround(number))) {
    const found =
      value === null || value === undefined ? 'is missing' : `is ${quoted(String(value))}, no finite number`;
    throw new InputError(
      'dataset/not-a-number',
      `${path}, column ${quoted(name)}: the value of row ${row} ${found}; fill it in or remove the row`,
    );
  }
  return number;
}

function labelsOf(column: DecodedColumn, { kind, name }: Column, path: string): number[] | string[] {
  if (kind === 'number') {
    return Array.from(valuesOf(column), ([row, value]) => numberOf(value, row, name, path));
  }
  return Array.from(valuesOf(column), ([row, value]) => {
    if (typeof value !== 'string' || value === '') {
      throw new InputError(
        'dataset/label-value',
        `${path}: the label of row ${row} is missing; fill it in or remove the row`,
      );
    }
    return value;
  });
}

function imagesOf(column: DecodedColumn, path: string): ImageFile[] {
  return Array.from(valuesOf(column), ([row, value]) => {
    const bytes = (value as { bytes?: unknown } | null)?.bytes;
    if (!(bytes instanceof Uint8Array)) {
      throw new InputError(
        'dataset/image-missing',
        `${path}: row ${row} holds no bytes of an image; write the images into the file (datasets: embed_external_files=True)`,
      );
    }
    return { name: `row ${row}`, path: `${path}, row ${row}`, read: async () => bytes };
  });
}

/**
 * Reads one Parquet file: a column of images and one of labels, as Hugging Face's datasets have, or columns of numbers.
 *
 * @throws InputError for a damaged file, an unclear label column, columns that are no features, missing values
 */
export async function readShard(
  file: SourceFile,
  { labelColumn, memoryBytes = Number.POSITIVE_INFINITY }: ReadDatasetOptions,
): Promise<Shard> {
  const { path } = file;
  const bytes = await file.read();
  const schema = readSchema(bytes, path);
  const { rows } = schema;
  const roles = rolesOf(schema, labelColumn, path);
  const width = roles.features.length;
  if (4 * rows * width > memoryBytes) {
    throw new InputError(
      'dataset/memory',
      `${path}: ${rows} rows of ${width} numbers do not fit into the memory limit; raise --memory-limit, or give fewer rows`,
    );
  }
  const read = [...(roles.image ? [roles.image] : roles.features), roles.label].map(({ name }) => name);
  let labels: number[] | string[] = [];
  let images: ImageFile[] | null = null;
  let features = new Float32Array(0);
  let feature = 0;
  await decodeColumns(bytes, read, path, (column) => {
    checkRows(column, rows, path);
    if (column.name === roles.label.name) {
      labels = labelsOf(column, roles.label, path);
    } else if (roles.image) {
      images = imagesOf(column, path);
    } else {
      // Only now, when a column has shown that there are so many rows.
      features = feature === 0 ? new Float32Array(rows * width) : features;
      for (const [row, value] of valuesOf(column)) {
        features[row * width + feature] = numberOf(value, row, column.name, path);
      }
      feature++;
    }
  });
  return { path, rows, read, unread: roles.unread, labels, features, images };
}
