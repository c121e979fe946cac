import type { InputError } from './errors.js';

/** One stage of a long computation, e.g. the Lanczos steps of an analysis. */
export interface ProgressStage {
  /**
   * Sets how much of the stage's total is done, in the stage's own unit.
   *
   * @param expected how much there will be in all, as far as it can be told by now; null where it cannot
   */
  update(done: number, expected?: number | null): void;
  /** Marks the stage as finished; further updates are ignored. */
  end(): void;
}

/** What is known of a stage when it starts. */
export interface StageOptions {
  /** The total is an upper bound: the stage may end early. */
  atMost?: boolean;
  /** So much was done by an earlier run: it says nothing of how long the rest will take. Default 0. */
  before?: number;
}

/**
 * Where computations report how far they are and what they noticed.
 *
 * Computations only call this interface; how it is shown (a live bar, a line
 * per stage, nothing) is the command line's business.
 */
export interface Progress {
  /**
   * Starts a stage.
   *
   * @param name what is being done, in a few words
   * @param total the amount of work in the stage's own unit; 1 where nothing is known of it until it is done
   */
  stage(name: string, total: number, options?: StageOptions): ProgressStage;
  /** A single remark that is worth a line on stderr. */
  note(message: string): void;
  /**
   * An output that the computation writes itself is not there. The computation goes on, so that its result is not
   * lost; the run ends with this error.
   */
  unwritten(error: InputError): void;
}

/** A `Progress` that shows nothing. */
export const silentProgress: Progress = {
  stage: () => ({ update: () => {}, end: () => {} }),
  note: () => {},
  unwritten: () => {},
};

/** Does something as a stage of which nothing is known until it is done. */
export async function asStage<T>(
  progress: Pick<Progress, 'stage'>,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  const stage = progress.stage(name, 1);
  try {
    return await work();
  } finally {
    stage.end();
  }
}

/** Stages of others, one after the other, as parts of one whose total is the sum of theirs. */
export function partsOf(whole: ProgressStage): Pick<Progress, 'stage'> {
  let before = 0;
  return {
    stage: (_name, total) => {
      const start = before;
      before += total;
      return {
        update: (done) => whole.update(start + Math.min(done, total)),
        end: () => whole.update(start + total),
      };
    },
  };
}
