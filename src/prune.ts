import type { Checkpoint } from './checkpoint/checkpoint.js';
import type { PruneConfig } from './config.js';
import type { Progress } from './progress.js';
import type { PruneSummary } from './report/prune-summary.js';

export async function prune(_config: PruneConfig, _progress: Progress, _checkpoint: Checkpoint): Promise<PruneSummary> {
  throw new Error('prune is not written yet');
}
