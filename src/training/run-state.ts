/** The state of a training run in a file, so that a run that was stopped goes on as if it had not been. */
import { join } from 'node:path';
import { z } from 'zod';
import { checkFile, existing, writeFilesAtomically } from '../checkpoint/files.js';
import { readSafetensorsData, readSafetensorsHeader } from '../checkpoint/weights/safetensors.js';
import { InputError } from '../errors.js';
import type { EpochRecord } from './epoch-record.js';
import type { TrainingState } from './step-engine.js';

/** Name of the file in the folder of `--resume`. */
export const STATE_FILE = 'training-state.safetensors';

/** Where a run is. Its random streams follow from the seed and the step. */
export interface RunPosition {
  /** Steps that are done, over all epochs. */
  step: number;
  /** Of the epoch that is under way: sum of the losses of the examples so far, and how many were right. */
  lossSum: number;
  correct: number;
  /** Epochs that are done. */
  history: EpochRecord[];
}

const epochSchema = z.object({
  epoch: z.int(),
  step: z.int(),
  loss: z.number(),
  accuracy: z.number().nullable(),
  rate: z.number(),
  testLoss: z.number().nullable(),
  testAccuracy: z.number().nullable(),
}) satisfies z.ZodType<EpochRecord>;

const positionSchema = z.object({
  step: z.int().min(0),
  lossSum: z.number(),
  correct: z.int().min(0),
  history: z.array(epochSchema),
}) satisfies z.ZodType<RunPosition>;

/** The position as a file has it; null where it is none. */
function parsePosition(text: string): RunPosition | null {
  try {
    return positionSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

const PARTS = ['weights', 'velocities', 'seconds', 'statistics'] as const;

/** The bytes of a state as a safetensors file; all numbers are float32. */
function encodeState(state: TrainingState, position: RunPosition, run: string): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { run, position: JSON.stringify(position) } };
  const arrays = PARTS.flatMap((part) =>
    state[part].map((values, index) => ({ name: `${part}.${index}`, values })),
  );
  let bytes = 0;
  for (const { name, values } of arrays) {
    header[name] = {
      dtype: 'F32',
      shape: [values.length],
      data_offsets: [bytes, bytes + values.byteLength],
    };
    bytes += values.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  const file = Buffer.alloc(8 + json.length + bytes);
  file.writeBigUInt64LE(BigInt(json.length));
  json.copy(file, 8);
  let offset = 8 + json.length;
  for (const { values } of arrays) {
    file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset);
    offset += values.byteLength;
  }
  return file;
}

/**
 * Writes a state; a run that is stopped meanwhile leaves the old one.
 *
 * @param run says which run it is of; only that one can take it up
 */
export async function writeRunState(
  folder: string,
  state: TrainingState,
  position: RunPosition,
  run: string,
): Promise<void> {
  const data = encodeState(state, position, run);
  await writeFilesAtomically(folder, [{ name: STATE_FILE, data, flushed: true }]);
}

/**
 * Reads the state of a run.
 *
 * @param expected a state of the sizes that the file must have
 * @returns null where there is none yet
 * @throws InputError for a state of another run, or a file that is none (`training/resume`)
 */
export async function readRunState(
  folder: string,
  expected: TrainingState,
  run: string,
): Promise<{ state: TrainingState; position: RunPosition } | null> {
  const path = join(folder, STATE_FILE);
  if ((await existing([path])).length === 0) {
    return null;
  }
  const header = await readSafetensorsHeader(await checkFile(path));
  const fault = (reason: string): InputError =>
    new InputError(
      'training/resume',
      `--resume: ${path} ${reason}; go on with the options and data it was started with, or name another folder`,
    );
  if (header.metadata.get('run') !== run) {
    throw fault('is of a run with other options, another network or other data');
  }
  const sizes = new Map(header.tensors.map(({ name, begin, end }) => [name, end - begin]));
  const wanted = PARTS.flatMap((part) =>
    expected[part].map((values, index) => ({ name: `${part}.${index}`, bytes: values.byteLength })),
  );
  if (wanted.some(({ name, bytes }) => sizes.get(name) !== bytes)) {
    throw fault('does not hold the weights of this network');
  }
  const position = parsePosition(header.metadata.get('position') ?? '');
  if (position === null) {
    throw fault('does not say how far the run is');
  }
  const { data } = await readSafetensorsData(header, new Set(wanted.map(({ name }) => name)));
  const read = (part: (typeof PARTS)[number]): Float32Array[] =>
    expected[part].map((_, index) => {
      const bytes = data.get(`${part}.${index}`) as Uint8Array;
      return new Float32Array(bytes.slice().buffer);
    });
  return {
    state: {
      weights: read('weights'),
      velocities: read('velocities'),
      seconds: read('seconds'),
      statistics: read('statistics'),
    },
    position,
  };
}
