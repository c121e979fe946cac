/** What the columns of a Parquet file are, by its footer. */

import { type FileMetaData, parquetMetadata, parquetSchema, type SchemaTree } from 'hyparquet';
import { InputError } from '../../errors.js';
import { startsWith } from '../../formats/signature.js';
import { PARQUET_SIGNATURE } from './signature.js';

/** The footer lists columns and row groups; of a table of 10,000 columns it has some megabytes. */
const MAX_FOOTER_BYTES = 2 ** 26;

/** Signature, length and signature again. */
const SMALLEST_FILE_BYTES = 12;

/** What a column holds; `other` with words for messages. */
export type ColumnKind = 'number' | 'text' | 'image' | { other: string };

/** A column of the first level. */
export interface Column {
  name: string;
  kind: ColumnKind;
}

/** Rows and columns of a file. */
export interface ParquetSchema {
  rows: number;
  columns: Column[];
}

function kindOf({ element, children }: SchemaTree): ColumnKind {
  const { type, converted_type: converted, logical_type: logical, repetition_type: repetition } = element;
  if (children.length > 0) {
    const isImage = children.some(
      (child) => child.element.name === 'bytes' && child.element.type === 'BYTE_ARRAY',
    );
    return isImage ? 'image' : { other: converted === 'LIST' ? 'lists' : 'nested values' };
  }
  if (repetition === 'REPEATED') {
    return { other: 'lists' };
  }
  if (type === 'BYTE_ARRAY') {
    return converted === 'UTF8' || logical?.type === 'STRING' ? 'text' : { other: 'bytes' };
  }
  const isPlain = converted === undefined || /^U?INT_\d+$/.test(converted);
  return isPlain &&
    /^(INT32|INT64|FLOAT|DOUBLE|BOOLEAN)$/.test(type ?? '') &&
    (!logical || logical.type === 'INTEGER')
    ? 'number'
    : { other: 'dates or other values that are no plain numbers' };
}

function footerOf(bytes: Uint8Array, path: string): FileMetaData {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length - 8;
  const footerBytes = bytes.length >= SMALLEST_FILE_BYTES ? view.getUint32(end, true) : 0;
  if (
    footerBytes === 0 ||
    footerBytes > Math.min(end, MAX_FOOTER_BYTES) ||
    !startsWith(bytes.subarray(-4), PARQUET_SIGNATURE)
  ) {
    throw new InputError(
      'dataset/corrupt-parquet',
      `${path}: damaged Parquet file (its footer is cut off or wrong); download or write it again`,
    );
  }
  return parquetMetadata(bytes.subarray(end - footerBytes));
}

/**
 * Reads the footer of a file.
 *
 * @throws InputError when it is damaged, or the file holds no rows
 */
export function readSchema(bytes: Uint8Array, path: string): ParquetSchema {
  let rows: number;
  let columns: Column[];
  try {
    const footer = footerOf(bytes, path);
    rows = Number(footer.num_rows);
    columns = parquetSchema(footer).children.map((child) => {
      const { name } = child.element;
      if (typeof name !== 'string') {
        throw new Error('a column without a name');
      }
      return { name, kind: kindOf(child) };
    });
  } catch (error) {
    if (error instanceof InputError) {
      throw error;
    }
    const reason = (error as Error).message.replace(/\s+/g, ' ').slice(0, 100);
    throw new InputError(
      'dataset/corrupt-parquet',
      `${path}: damaged Parquet file (${reason}); download or write it again`,
      { cause: error },
    );
  }
  if (!(Number.isSafeInteger(rows) && rows > 0)) {
    throw new InputError('dataset/empty', `${path}: holds no rows; give data with at least one`);
  }
  return { rows, columns };
}
