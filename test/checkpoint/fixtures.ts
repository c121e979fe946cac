/** Checkpoints built in memory and written to temporary directories. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { InputError } from '../../src/errors.js';
import { temporaryFolder } from '../support/folders.js';

/** A new directory, removed after the file's tests. */
export function temporaryDirectory(): string {
  return temporaryFolder('prune-limit-checkpoint-');
}

export const TOPOLOGY = { class_name: 'Sequential', config: { name: 'net', layers: [] }, backend: 'tfjs' };

/** A model.json around a manifest; `overrides` replace or add top-level keys. */
export function modelJson(weightsManifest: unknown, overrides: Record<string, unknown> = {}): string {
  return JSON.stringify({ format: 'layers-model', modelTopology: TOPOLOGY, weightsManifest, ...overrides });
}

/** Writes a file that is new each time: some file systems wait for the disk when one is written over. */
export function writeAnew(path: string, bytes: Uint8Array): void {
  rmSync(path, { force: true });
  writeFileSync(path, bytes);
}

/** Writes files (text or bytes) to a new directory and returns it. */
export function directoryOf(files: Record<string, string | ArrayBufferView>): string {
  const directory = temporaryDirectory();
  for (const [name, data] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), data as string | NodeJS.ArrayBufferView);
  }
  return directory;
}

/** One group, one shard `weights.bin`. */
export function singleShard(
  weights: unknown,
  data: ArrayBufferView,
  overrides: Record<string, unknown> = {},
): string {
  return directoryOf({
    'model.json': modelJson([{ paths: ['weights.bin'], weights }], overrides),
    'weights.bin': data,
  });
}

/** Expects an InputError with this code, a message of one printable line, and these parts in it. */
export async function expectInputError(
  promise: Promise<unknown>,
  code: string,
  ...parts: string[]
): Promise<void> {
  const error = await promise.then(
    () => null,
    (caught) => caught,
  );
  expect(error, 'expected a rejection').toBeInstanceOf(InputError);
  expect(error.code, error.message).toBe(code);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters must not get through
  expect(error.message).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
  for (const part of parts) expect(error.message).toContain(part);
}

/** Bit patterns, so that -0 and subnormals are compared as they are. */
export function bitsOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice();
}
