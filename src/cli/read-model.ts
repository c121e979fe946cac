import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { asStage, type Progress } from '../progress.js';
import type { Context } from './context.js';

/** The first stage of every command with a model. */
export const readingStage = 'reading the model';

/**
 * Reads the model of a command, as its first stage.
 *
 * @param weights a file whose weights replace those of the model; null: the model's own
 */
export function readModel(
  path: string,
  weights: string | null,
  progress: Progress,
  { work }: Context,
): Promise<Checkpoint> {
  return asStage(progress, readingStage, () => work.readCheckpoint(path, weights, progress));
}
