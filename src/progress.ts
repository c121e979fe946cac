import type { InputError } from './errors.js';

/** One stage of a long computation, e.g. the Lanczos steps of an analysis. */
export interface ProgressStage {
  /** Sets how much of the stage's total is done, in the stage's own unit. */
  update(done: number): void;
  /** Marks the stage as finished; further updates are ignored. */
  end(): void;
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
   * @param total the amount of work in the stage's own unit; an upper bound
   *   where the stage may end early
   */
  stage(name: string, total: number): ProgressStage;
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
