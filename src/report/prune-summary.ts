import { type Colors, type Page, pairLines, standardPage } from './layout.js';
import type { LimitChoice } from './limit-choices.js';
import { type MethodSummary, methodLines } from './method-summary.js';
import * as text from './text.js';

/** What `prune` did. */
export interface PruneSummary {
  /** Directory of the pruned checkpoint; an ONNX model's file. */
  output: string;
  /** What was written; none where a gate was not passed. */
  files: string[];
  prunedFraction: number;
  prunedWeights: number;
  prunableWeights: number;
  /** Largest magnitude that was set to 0. */
  threshold: number;
  /** Where the fraction came from. */
  source: 'ratio' | LimitChoice;
  /** Size of the model's file as it was and as written, external data apart; null where it was not to be made smaller. */
  modelBytes: { before: number; after: number } | null;
  /** What was asked of the pruned network, each with what was found in words; left out where nothing was. */
  gates?: { gate: string; verdict: 'pass' | 'fail' | 'inconclusive'; found: string }[];
  /** By which method it was pruned and at what cost; left out where none was named. */
  method?: MethodSummary;
}

/** Whether the pruned network was not written because of a gate. */
export function gateRefused({ gates = [] }: Pick<PruneSummary, 'gates'>): boolean {
  return gates.some(({ verdict }) => verdict !== 'pass');
}

const sources: Record<PruneSummary['source'], string> = {
  ratio: '--ratio',
  slice: 'slice limit: without retraining, by the quadratic model of the loss',
  'gaussian-width': "Gaussian-width limit, the paper's estimate: expect to retrain the kept weights",
  'gaussian-width:low': 'low end of the Gaussian-width limit: expect to retrain the kept weights',
  sharp: 'sharp limit of the quadratic model: expect to retrain the kept weights',
  'sharp:low': 'low end of the sharp limit: expect to retrain the kept weights',
  loss: 'measured limit: the loss increase is at most epsilon',
  accuracy: 'measured limit: test accuracy falls by no more than was tolerated',
  'no-significant-fall': 'measured limit: test accuracy does not fall significantly',
};

function sizeLine({ modelBytes }: PruneSummary): [string, string] {
  if (modelBytes === null) {
    return ['size', 'as before: a file stores zeros like other numbers'];
  }
  const { before, after } = modelBytes;
  const percent = before === 0 ? '' : ` (${((100 * after) / before).toFixed(1)} %)`;
  return ['size', `${text.whole(after)} of ${text.whole(before)} bytes${percent}`];
}

/** What `prune` did, as text for a terminal. */
export function renderPruneSummary(summary: PruneSummary, colors: Colors, page: Page = standardPage): string {
  const refused = gateRefused(summary);
  const lines = pairLines(
    [
      ['pruned', text.prunedAndKept(summary.prunedFraction)],
      ['weights', `${text.whole(summary.prunedWeights)} of ${text.whole(summary.prunableWeights)} set to 0`],
      ['threshold', `magnitudes up to ${text.quantity(summary.threshold)}`],
      ['chosen by', sources[summary.source]],
      ...methodLines(summary.method),
      ...(refused ? [] : [sizeLine(summary)]),
      ...(summary.gates ?? []).map(({ found }): [string, string] => ['gate', text.printable(found)]),
      ['written', refused ? 'nothing: a gate is not passed' : text.printable(summary.output)],
    ],
    colors,
    page,
  );
  return `${colors.bold(refused ? 'Pruned network, not written' : 'Pruned checkpoint')}\n${lines.join('\n')}\n`;
}
