import type { TotalReport } from './allocation-schema.js';
import type { FileFigures } from './inspection.js';
import { bullet, type Colors, gridLines, type Page, pairLines, standardPage } from './layout.js';
import type { LimitChoice } from './limit-choices.js';
import { type ChosenMethod, choiceLines, type MethodSummary, methodLines } from './method-summary.js';
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
  /** Zeros and bytes of the model as it was and as written, as `inspect` says them; null where nothing was written. */
  sizes: { before: FileFigures; after: FileFigures } | null;
  /** What was asked of the pruned network, each with what was found in words; left out where nothing was. */
  gates?: { gate: string; verdict: 'pass' | 'fail' | 'inconclusive'; found: string }[];
  /** What `--method auto` took, and why; left out where a method was named, or none. */
  choice?: ChosenMethod;
  /** By which method it was pruned and at what cost; left out where none was named. */
  method?: MethodSummary;
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

type Sizes = NonNullable<PruneSummary['sizes']>;

/** Forms of a file and of its weights, by their key, as the table names them. */
const forms = [
  ['file', 'file'],
  ['gzipped', 'file, gzipped'],
  ['dense', 'weights, dense'],
  ['positions', 'weights, values and positions'],
  ['bitmask', 'weights, values and a bit for each'],
] as const;

function zerosLine(name: string, before: FileFigures['all'], after: FileFigures['all']): [string, string] {
  const words = ({ zeros, weights, sparsity }: FileFigures['all']): string =>
    `${text.whole(zeros)} of ${text.whole(weights)}${sparsity === null ? '' : ` (${text.percent(sparsity)})`}`;
  return [name, `${words(after)}, before ${words(before)}`];
}

function sizesTable({ before, after }: Sizes): Parameters<typeof gridLines>[0] {
  return {
    head: ['bytes', 'before', 'after', 'of before'],
    rows: forms.map(([key, name]) => {
      const [from, to] = [before.bytes[key], after.bytes[key]];
      return [name, text.whole(from), text.whole(to), from === 0 ? '-' : text.percent(to / from)];
    }),
    numeric: [1, 2, 3],
  };
}

/** What became smaller, what did not, and what would make it so. */
function sizeNotes({ before, after }: Sizes, prunableWeights: number): string[] {
  const names = { file: 'the file', gzipped: 'the file once it is gzipped' };
  const moved = (which: (ratio: number) => boolean): string[] =>
    (['file', 'gzipped'] as const)
      .filter((key) => which(after.bytes[key] / Math.max(1, before.bytes[key])))
      .map((key) => names[key]);
  // Text around the weights, such as where the data is, may differ by some bytes.
  const smaller = moved((ratio) => ratio < 0.995);
  const larger = moved((ratio) => ratio > 1.005);
  const equal = moved((ratio) => ratio >= 0.995 && ratio <= 1.005);
  const because = 'a file stores zeros like other numbers';
  return [
    `smaller: ${smaller.length === 0 ? 'nothing' : smaller.join(', and ')}`,
    ...(equal.length === 0 ? [] : [`as large as before: ${equal.join(', and ')}; ${because}`]),
    ...(larger.length === 0 ? [] : [`larger: ${larger.join(', and ')}`]),
    'memory and time of an engine that computes with dense weights stay as they are',
    ...(smaller.includes(names.file) ? [] : [sparseForm(after)]),
    ...(after.kernels.weights < prunableWeights
      ? ['kernels stored as integer codes are not counted among zeros and weights']
      : []),
  ];
}

/** What would make the file smaller, in words. */
function sparseForm({ format, bytes }: FileFigures): string {
  if (format !== 'onnx') {
    return 'the format has no sparse form: what is saved is saved where the file is compressed';
  }
  return bytes.positions < bytes.dense
    ? '--sparse stores weights as values and positions where that is smaller'
    : 'values and positions, which --sparse stores, take no less than dense weights over the whole model';
}

function sizeLines({ sizes, prunableWeights }: PruneSummary, colors: Colors, page: Page): string[] {
  if (sizes === null) {
    return [];
  }
  return [
    ...pairLines(
      [
        zerosLine('zeros in kernels', sizes.before.kernels, sizes.after.kernels),
        zerosLine('zeros in all weights', sizes.before.all, sizes.after.all),
      ],
      colors,
      page,
    ),
    ...gridLines(sizesTable(sizes), colors, page),
    ...sizeNotes(sizes, prunableWeights).flatMap((note) => bullet(note, page)),
  ];
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
      ...choiceLines(summary.choice),
      ...methodLines(summary.method),
      ...(summary.gates ?? []).map(({ found }): [string, string] => ['gate', text.printable(found)]),
      ['written', refused ? 'nothing: a gate is not passed' : text.printable(summary.output)],
    ],
    colors,
    page,
  );
  const blocks = [
    [colors.bold(refused ? 'Pruned network, not written' : 'Pruned checkpoint'), ...lines],
    ...(summary.sizes === null ? [] : [[colors.bold('Size'), ...sizeLines(summary, colors, page)]]),
  ];
  return `${blocks.map((block) => block.join('\n')).join('\n\n')}\n`;
}
