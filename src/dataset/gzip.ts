/** Decompression of gzip files that may be damaged or made to exhaust memory. */

import { promisify } from 'node:util';
import { constants, gunzip, gunzipSync } from 'node:zlib';
import { InputError } from '../errors.js';

const gunzipAsync = promisify(gunzip);

/** Compressed bytes that surely hold the start of the content: a gzip header, a Huffman table and then some. */
const PEEK_BYTES = 4096;
/** Deflate expands up to 1032 times, so this is what PEEK_BYTES can grow to. */
const PEEK_OUTPUT_BYTES = PEEK_BYTES * 1032;
const CHUNK_BYTES = 2 ** 20;

function corrupt(path: string, error: unknown): InputError {
  const reason = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  return new InputError(
    'dataset/corrupt-gzip',
    `${path}: damaged gzip file (${reason}); download or make it again`,
    {
      cause: error,
    },
  );
}

/**
 * The start of a gzip file's content: enough to read a header from, without decompressing the rest.
 *
 * @throws InputError when the start is not valid gzip
 */
export function peekGunzipped(compressed: Uint8Array, path: string): Uint8Array {
  try {
    return gunzipSync(compressed.subarray(0, PEEK_BYTES), {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: PEEK_OUTPUT_BYTES,
    });
  } catch (error) {
    throw corrupt(path, error);
  }
}

/**
 * The content of a gzip file.
 *
 * @param maxBytes decompression stops beyond this many bytes
 * @throws InputError when the file is damaged or holds more than `maxBytes`
 */
export async function gunzipBytes(
  compressed: Uint8Array,
  path: string,
  maxBytes: number,
): Promise<Uint8Array> {
  try {
    const content = await gunzipAsync(compressed, { maxOutputLength: maxBytes, chunkSize: CHUNK_BYTES });
    return new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new InputError(
        'dataset/gzip-too-long',
        `${path}: unpacks to more than the ${maxBytes} bytes its header announces; download or make it again`,
        { cause: error },
      );
    }
    throw corrupt(path, error);
  }
}
