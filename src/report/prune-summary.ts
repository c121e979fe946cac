import type { TotalReport } from './allocation-schema.js';
import { type Colors, type Page, pairLines, standardPage } from './layout.js';
import type { LimitChoice } from './limit-choices.js';
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
  source: 'ratio' | 'allocation' | LimitChoice;
  /** What the report says of the allocation that was taken; left out where none was. */
  allocation?: TotalReport;
  /** Size of the model's file as it was and as written, external data apart; null where it was not to be made smaller. */
  modelBytes: { before: number; after: number } | null;
  /** What was asked of the pruned network, each with what was found in words; left out where nothing was. */
  gates?: { gate: string; verdict: 'pass' | 'fail' | 'inconclusive'; found: string }[];
}

/** Whether the pruned network was not written because of a gate. */
export function gateRefused({ gates = [] }: Pick<PruneSummary, 'gates'>): boolean {
  return gates.some(({ verdict }) => verdict !== 'pass');
}

const sources: Record<PruneSummary['source'], string> = {
  ratio: '--ratio',
  allocation: 'allocation of the report: each layer to a part of its own, by magnitude within it',
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

/** What the report measured of an allocation, and the parts of the layers. */
function allocationLines({ allocation }: PruneSummary): [string, string][] {
  if (allocation === undefined) {
    return [];
  }
  const loss = (increase: number | null): string =>
    increase === null ? 'overflow' : text.quantity(increase);
  const accuracy = (test: number | null): string =>
    test === null ? '' : `, test accuracy ${text.percent(test, 2)}`;
  const measured = ({ lossIncrease, accuracy: { test } }: TotalReport['globalMagnitude']): string =>
    `loss increase ${loss(lossIncrease)}${accuracy(test)}`;
  const loses = allocation.better === 'global-magnitude' ? '; it did better: prune with --ratio alone' : '';
  return [
    ['measured', `by the report: ${measured(allocation)}`],
    ['global magnitude', `to the same total: ${measured(allocation.globalMagnitude)}${loses}`],
    ...allocation.weights.map(({ name, pruned, prunedWeights }): [string, string] => [
      'layer',
      `${text.printable(name)}: pruned ${text.percent(pruned)} (${text.plural(prunedWeights, 'weight')})`,
    ]),
  ];
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
      ...allocationLines(summary),
      ...(refused ? [] : [sizeLine(summary)]),
      ...(summary.gates ?? []).map(({ found }): [string, string] => ['gate', text.printable(found)]),
      ['written', refused ? 'nothing: a gate is not passed' : text.printable(summary.output)],
    ],
    colors,
    page,
  );
  return `${colors.bold(refused ? 'Pruned network, not written' : 'Pruned checkpoint')}\n${lines.join('\n')}\n`;
}
