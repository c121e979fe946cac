/** Decompression of gzip files that may be damaged or made to exhaust memory. */

import { type Readable, Transform } from 'node:stream';
import { promisify } from 'node:util';
import { constants, createGunzip, gunzip, gunzipSync } from 'node:zlib';
import { InputError } from '../../errors.js';

const gunzipAsync = promisify(gunzip);

/** Deflate expands up to 1032 times. */
const MAX_RATIO = 1032;
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

function tooLong(path: string, maxBytes: number, cause?: unknown): InputError {
  return new InputError(
    'dataset/gzip-too-long',
    `${path}: unpacks to more than the ${maxBytes} bytes that it announces or that are read at most; download or make it again`,
    { cause },
  );
}

/**
 * The start of a gzip file's content, from the start of the file; empty where that is damaged, which reading the whole
 * tells.
 */
export function peekGunzipped(head: Uint8Array): Uint8Array {
  try {
    return gunzipSync(head, {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: head.length * MAX_RATIO,
    });
  } catch {
    return new Uint8Array(0);
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
    throw (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
      ? tooLong(path, maxBytes, error)
      : corrupt(path, error);
  }
}

/**
 * The content of a gzip file bit by bit. A damaged file, and one that holds more than `maxBytes`, end the stream with
 * an InputError.
 */
export function gunzipStream(compressed: Readable, path: string, maxBytes: number): Readable {
  let bytes = 0;
  const limited = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > maxBytes) {
        done(tooLong(path, maxBytes));
      } else {
        done(null, chunk);
      }
    },
  });
  const unpacked = createGunzip();
  compressed.on('error', (error) => limited.destroy(error));
  unpacked.on('error', (error) => limited.destroy(corrupt(path, error)));
  limited.on('close', () => {
    compressed.destroy();
    unpacked.destroy();
  });
  return compressed.pipe(unpacked).pipe(limited);
}
