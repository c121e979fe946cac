/** Gates on a pruned network before it is written. */
import type { Checkpoint } from './checkpoint/checkpoint.js';
import type { AnalyzeConfig } from './config.js';
import { gateSentence } from './gate/describe.js';
import { prunedFindings } from './gate/pruned.js';
import { judgeGates, readGates } from './gate/run-gates.js';
import { gateSubjectJsonSchema } from './gate/schema.js';
import type { Progress } from './progress.js';
import { measureWeights } from './pruned-model.js';
import type { PruneSummary } from './report/prune-summary.js';
import type { Report } from './report/schema.js';

/**
 * Measures a pruned network on the examples of an analysis, and judges gates on it and on the report. An inconclusive
 * gate is not passed.
 *
 * @param texts as `--require` of `gate` takes them
 * @param report of the dense network, by `config`
 * @param checkpoint of the pruned network, with everything that was changed besides its prunable weights
 * @param flat prunable weights of the pruned network, length D
 * @throws InputError for a field that neither has
 */
export async function judgePruning(
  texts: readonly string[],
  report: Report,
  config: AnalyzeConfig,
  checkpoint: Checkpoint,
  flat: Float32Array,
  progress: Progress,
): Promise<NonNullable<PruneSummary['gates']>> {
  const measured = await measureWeights(config, checkpoint, flat, progress);
  const zeros = flat.reduce((count, value) => count + (value === 0 ? 1 : 0), 0);
  const pruned = prunedFindings(report, { path: checkpoint.path, weights: flat.length, zeros, ...measured });
  const subject = { report, source: checkpoint.path, pruned };
  const { gates } = judgeGates(
    readGates({ require: texts }, 'error'),
    subject,
    null,
    'fail',
    gateSubjectJsonSchema(),
  );
  return gates.map((result) => ({ gate: result.gate, verdict: result.verdict, found: gateSentence(result) }));
}
