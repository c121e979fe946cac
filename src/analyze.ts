import type { Checkpoint } from './checkpoint/checkpoint.js';
import type { AnalyzeConfig } from './config.js';
import type { Progress } from './progress.js';
import type { Report } from './report/schema.js';

export async function analyze(_config: AnalyzeConfig, _progress: Progress, _checkpoint: Checkpoint): Promise<Report> {
  throw new Error('analyze is not written yet');
}
