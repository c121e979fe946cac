/** Float32 vectors as binary values in chunks, with a lifetime. */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { InputError } from '../errors.js';
import { LIFETIME_SECONDS, type RunKeys } from './keys.js';
import type { VectorReference } from './messages.js';

/** Size of a value, in bytes: few enough commands, and none keeps the server from others for long. */
const CHUNK_BYTES = 16 * 2 ** 20;

/** A vector that is not there, or not as it was said to be. */
export class MissingVectorError extends Error {}

function bytesOf(vector: Float32Array): Buffer {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
}

function chunksOf(bytes: number): { index: number; start: number; end: number }[] {
  return Array.from({ length: Math.ceil(bytes / CHUNK_BYTES) }, (_, index) => ({
    index,
    start: index * CHUNK_BYTES,
    end: Math.min(bytes, (index + 1) * CHUNK_BYTES),
  }));
}

/** The reference under which a vector is found. */
export function referenceTo(name: string, vector: Float32Array): VectorReference {
  const sha256 = createHash('sha256').update(bytesOf(vector)).digest('hex');
  return { name, length: vector.length, sha256 };
}

/**
 * Stores a vector; it must not change meanwhile.
 *
 * @param onChunk called before every part of it but the first
 */
export async function putVector(
  redis: Redis,
  keys: RunKeys,
  name: string,
  vector: Float32Array,
  onChunk: () => Promise<void> = async () => {},
): Promise<void> {
  const bytes = bytesOf(vector);
  for (const { index, start, end } of chunksOf(bytes.length)) {
    if (index > 0) {
      await onChunk();
    }
    await redis.set(keys.chunk(name, index), bytes.subarray(start, end), 'EX', LIFETIME_SECONDS);
  }
}

/**
 * Reads a vector.
 *
 * @param length that it must have: the sizes of its values are checked before any is read
 * @throws MissingVectorError
 */
export async function getVector(
  redis: Redis,
  keys: RunKeys,
  { name, length: said, sha256 }: VectorReference,
  length: number,
): Promise<Float32Array> {
  const wrong = new MissingVectorError(`vector ${name} is not as it should be`);
  if (said !== length) {
    throw wrong;
  }
  const chunks = chunksOf(4 * length);
  for (const { index, start, end } of chunks) {
    if ((await redis.strlen(keys.chunk(name, index)).catch(() => -1)) !== end - start) {
      throw wrong;
    }
  }
  const vector = new Float32Array(length);
  const bytes = bytesOf(vector);
  for (const { index, start, end } of chunks) {
    const value = await redis.getBuffer(keys.chunk(name, index));
    if (value === null || value.length !== end - start) {
      throw wrong;
    }
    value.copy(bytes, start);
  }
  if (createHash('sha256').update(bytes).digest('hex') !== sha256) {
    throw wrong;
  }
  return vector;
}

/**
 * Reads vectors of these lengths.
 *
 * @throws MissingVectorError
 * @throws InputError where there are more or fewer
 */
export async function getVectors(
  redis: Redis,
  keys: RunKeys,
  references: readonly VectorReference[],
  lengths: readonly number[],
): Promise<Float32Array[]> {
  if (references.length !== lengths.length) {
    throw new InputError(
      'workers/protocol',
      'a worker answers with something else than was asked for; use the same version of prune-limit',
    );
  }
  const vectors: Float32Array[] = [];
  for (const [i, reference] of references.entries()) {
    vectors.push(await getVector(redis, keys, reference, lengths[i]));
  }
  return vectors;
}

/** Lets vectors live on. */
export async function prolongVectors(
  redis: Redis,
  keys: RunKeys,
  vectors: readonly VectorReference[],
): Promise<void> {
  const pipeline = redis.pipeline();
  for (const { name, length } of vectors) {
    for (const { index } of chunksOf(4 * length)) {
      pipeline.expire(keys.chunk(name, index), LIFETIME_SECONDS);
    }
  }
  await pipeline.exec();
}

/** Removes vectors. */
export async function removeVectors(
  redis: Redis,
  keys: RunKeys,
  vectors: readonly VectorReference[],
): Promise<void> {
  const chunks = vectors.flatMap(({ name, length }) =>
    chunksOf(4 * length).map(({ index }) => keys.chunk(name, index)),
  );
  if (chunks.length > 0) {
    await redis.unlink(...chunks);
  }
}
