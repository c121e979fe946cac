/** The results of an analysis that are kept in a file, so that one that was stopped goes on where it was. */
import { createHash } from 'node:crypto';
import type { Checkpoint } from '../../checkpoint/checkpoint.js';
import type { AnalyzeConfig, ResumeOptions } from '../../config.js';
import { InputError } from '../../errors.js';
import type { Progress } from '../../progress.js';
import type { Problem } from '../problem.js';
import type { Disposable } from '../resources.js';
import type { Stopwatch } from '../stopwatch.js';
import { decodeIdentity, encodeIdentity, identityOf, requireSame } from './identity.js';
import type { ResultForm } from './kept-evaluation.js';
import { eagerPace, writingPace } from './pace.js';
import { openStateFile, type StateFile } from './state-file.js';

/** What a result follows from. */
type KeyInput = Float32Array | Float64Array | Float64Array[];

/** The key of a result: of its kind, in words, and of the numbers that it follows from. */
export function resultKey(kind: string, inputs: readonly KeyInput[] = []): string {
  const hash = createHash('sha256').update(`${kind}\n`);
  for (const array of inputs.flat()) {
    hash.update(`${array.constructor.name} ${array.length}\n`);
    hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }
  return hash.digest('hex');
}

const IDENTITY = resultKey('identity');
const SECONDS = resultKey('seconds');

/** Results of an analysis by what they follow from. */
export interface AnalysisState {
  readonly keepsAfterwards: boolean;
  /** What the file takes on the disk. */
  readonly bytes: number;
  /** A result that was kept, or is computed and kept. */
  recall<T>(key: string, form: ResultForm<T>, compute: () => Promise<T>): Promise<T>;
  /** The file, for results of other kinds; `write` writes what was put. */
  readonly file: Pick<StateFile, 'sizeOf' | 'read' | 'put' | 'forget'>;
  /** Whether so many bytes that would be put are to be written now. */
  isDue(bytes: number): Promise<boolean>;
  /** Whether so many bytes may be written at all. */
  affords(bytes: number): boolean;
  /** Writes what was put, while the run goes on where it could not wait; waits with `wait`. */
  write(wait?: boolean): Promise<void>;
  /** Has something put whenever the file is written. */
  onWrite(put: () => void): void;
  /** Has something put when the run is interrupted. */
  onStop(put: () => void): void;
  /** Writes all that is known, at an interruption. */
  flush(): Promise<void>;
  /** Waits until everything is written. */
  finish(): Promise<void>;
}

/** Seconds by stage of earlier runs, as JSON. */
function decodeSeconds(bytes: Uint8Array): Record<string, number> {
  try {
    const read: unknown = JSON.parse(Buffer.from(bytes).toString());
    const entries = Object.entries(read ?? {}).filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number' && entry[1] >= 0 && entry[1] < 1e9,
    );
    return Object.fromEntries(entries);
  } catch {
    return {};
  }
}

/** A turn of the event loop, in which what is being written comes on: products may leave it none. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Opens the state of an analysis, or begins one. Seconds of earlier runs are booked on the stopwatch. A file that
 * cannot be written any more, once it was opened, is noted, and the analysis goes on.
 *
 * @throws InputError `resume/state` for a file that is none, `resume/other-run` for that of another run
 */
export async function openAnalysisState(
  options: ResumeOptions,
  config: AnalyzeConfig,
  checkpoint: Checkpoint,
  problem: Problem,
  { progress, watch }: { progress: Progress; watch: Stopwatch },
): Promise<AnalysisState & Disposable> {
  const identity = identityOf(config, checkpoint, problem);
  const file = await openStateFile(options.file);
  const pace = options.eager ? eagerPace : writingPace();
  try {
    await takeUp(file, options.file, identity, progress, watch);
  } catch (error) {
    await file.close();
    throw error;
  }
  let writing: Promise<void> | null = null;
  let failed = false;
  const atWrites: (() => void)[] = [];
  const atStops: (() => void)[] = [];
  const writeAll = async (): Promise<void> => {
    for (const put of atWrites) {
      put();
    }
    file.put(SECONDS, [Buffer.from(JSON.stringify(watch.sofar()))]);
    const bytes = file.pendingBytes;
    const start = performance.now();
    pace.began(bytes);
    try {
      await file.write();
      pace.wrote(bytes, (performance.now() - start) / 1000);
    } catch (error) {
      if (!failed) {
        progress.note(
          `--resume: ${(error as Error).message}; the run goes on, and it is tried again from time to time`,
        );
      }
      failed = true;
    }
  };
  const write = async (wait = false): Promise<void> => {
    if (wait) {
      await writing;
    }
    if (writing === null) {
      const waits = wait || file.rewrites || pace.waits(file.pendingBytes);
      const current = writeAll().finally(() => {
        writing = null;
      });
      writing = current;
      await (waits ? current : turn());
    }
  };
  const isDue = async (bytes: number): Promise<boolean> => {
    if (writing !== null) {
      await turn();
    }
    return pace.due(bytes) && writing === null;
  };
  // So that a file that cannot be written is told of at the beginning.
  await write(true);
  return {
    keepsAfterwards: options.keep,
    get bytes() {
      return file.bytes;
    },
    file,
    isDue,
    affords: pace.affords,
    write,
    recall: async (key, form, compute) => {
      if (file.sizeOf(key) !== null) {
        const found = await file.read(key);
        const result = found && form.decode(found);
        if (result !== null) {
          return result;
        }
      }
      const result = await compute();
      file.put(key, form.encode(result));
      if (await isDue(file.pendingBytes)) {
        await write();
      }
      return result;
    },
    onWrite: (put) => atWrites.push(put),
    onStop: (put) => atStops.push(put),
    flush: async () => {
      for (const put of atStops) {
        put();
      }
      await write(true);
    },
    finish: async () => {
      await writing;
      if (options.keep) {
        await write(true);
      }
    },
    dispose: () => {
      void (writing ?? Promise.resolve()).catch(() => {}).then(() => file.close());
    },
  };
}

/** Checks what a file is of, or says so in a new one. */
async function takeUp(
  file: StateFile,
  path: string,
  identity: ReturnType<typeof identityOf>,
  progress: Progress,
  watch: Stopwatch,
): Promise<void> {
  const found = await file.read(IDENTITY);
  if (found === null) {
    file.put(IDENTITY, [encodeIdentity(identity)]);
    return;
  }
  const kept = decodeIdentity(found);
  if (kept === null) {
    throw new InputError(
      'resume/state',
      `--resume ${path}: does not say what it is of; name another file, or remove it to begin anew`,
    );
  }
  requireSame(kept, identity, path);
  if (kept.processor !== identity.processor) {
    progress.note(
      `--resume ${path}: was begun on another processor (${kept.processor}): last digits may not be those of a run on one`,
    );
  }
  const seconds = await file.read(SECONDS);
  const earlier = seconds === null ? {} : decodeSeconds(seconds);
  watch.include(earlier);
  const total = Object.values(earlier).reduce((sum, value) => sum + value, 0);
  progress.note(
    `--resume ${path}: going on with what was computed in ${Math.round(total)} s before${file.torn ? '; its last part was not written whole and is left out' : ''}`,
  );
}
