import { type Colors, pairLines } from './layout.js';
import * as text from './text.js';

/** What `prune` did. */
export interface PruneSummary {
  /** Directory of the pruned checkpoint; an ONNX model's file. */
  output: string;
  files: string[];
  prunedFraction: number;
  prunedWeights: number;
  prunableWeights: number;
  /** Largest magnitude that was set to 0. */
  threshold: number;
  /** Where the fraction came from. */
  source: 'ratio' | 'slice' | 'gaussian-width' | 'sharp';
  /** Size of the model's file as it was and as written, external data apart; null where it was not to be made smaller. */
  modelBytes: { before: number; after: number } | null;
}

const sources: Record<PruneSummary['source'], string> = {
  ratio: '--ratio',
  slice: 'slice limit: reachable without retraining, in the quadratic model',
  'gaussian-width': 'Gaussian-width limit: an existence limit, expect to retrain the kept weights',
  sharp: 'sharp limit: an existence limit, expect to retrain the kept weights',
};

function sizeLine({ before, after }: { before: number; after: number }): [string, string] {
  const percent = before === 0 ? '' : ` (${((100 * after) / before).toFixed(1)} %)`;
  return ['size', `${text.whole(after)} of ${text.whole(before)} bytes${percent}`];
}

/** What `prune` did, as text for a terminal. */
export function renderPruneSummary(summary: PruneSummary, colors: Colors): string {
  const lines = pairLines(
    [
      ['pruned', text.prunedAndKept(summary.prunedFraction)],
      ['weights', `${text.whole(summary.prunedWeights)} of ${text.whole(summary.prunableWeights)} set to 0`],
      ['threshold', `magnitudes up to ${text.quantity(summary.threshold)}`],
      ['chosen by', sources[summary.source]],
      ...(summary.modelBytes ? [sizeLine(summary.modelBytes)] : []),
      ['written', text.printable(summary.output)],
    ],
    colors,
  );
  return `${colors.bold('Pruned checkpoint')}\n${lines.join('\n')}\n`;
}
