/** How weights are distributed, and how far independent runs are apart (the paper's figure 8 and its table). */
import { InputError } from '../../errors.js';
import type { StudyPicture, StudyTable } from '../../report/study-schema.js';
import type { DistributionCell } from '../cell.js';
import type { ResultOf } from '../results.js';
import type { StudySettings } from '../settings.js';
import { meanOf, type Outcomes, type Study, type StudyFindings } from '../study.js';
import { BINS, NEAR_ZERO } from '../weight-distance.js';
import { type StudyNetwork, trainedNetwork, trainingSentence } from './networks.js';

const KINDS = ['plain', 'l1'] as const;
type Kind = (typeof KINDS)[number];

/** `NEAR_ZERO` in words. */
const NEAR_ZERO_TEXT = NEAR_ZERO.toExponential();

/** Bins of the distances that are drawn as one. */
const BINS_PER_DOT = 10;

function runsOf(settings: StudySettings, kind: Kind): StudyNetwork[] {
  return Array.from({ length: settings.seeds }, (_, run) =>
    trainedNetwork(settings, kind, settings.seed + run),
  );
}

function cellOf(settings: StudySettings, kind: Kind): DistributionCell {
  return {
    kind: 'distribution',
    name: `distances ${kind}`,
    models: runsOf(settings, kind).map(({ model }) => model),
  };
}

type Distances = ResultOf<'distribution'>;

function meansTable(found: readonly [Kind, Distances][]): StudyTable {
  const values = (distances: Distances, key: 'totalVariation' | 'kolmogorov'): number[] =>
    distances.pairs.map((pair) => pair[key]);
  return {
    title: 'Distances between independent runs, over all pairs',
    columns: [
      { key: 'network', title: 'network', format: 'text' },
      { key: 'runs', title: 'runs', format: 'whole' },
      { key: 'pairs', title: 'pairs', format: 'whole' },
      { key: 'totalVariation', title: 'total variation, mean', format: 'quantity' },
      { key: 'largestTotalVariation', title: 'largest', format: 'quantity' },
      { key: 'kolmogorov', title: 'Kolmogorov, mean', format: 'quantity' },
      { key: 'largestKolmogorov', title: 'largest Kolmogorov', format: 'quantity' },
      { key: 'nearZero', title: `|w| < ${NEAR_ZERO_TEXT}, mean`, format: 'percent' },
    ],
    rows: found.map(([network, distances]) => ({
      network,
      runs: distances.models.length,
      pairs: distances.pairs.length,
      totalVariation: meanOf(values(distances, 'totalVariation')),
      largestTotalVariation: Math.max(...values(distances, 'totalVariation')),
      kolmogorov: meanOf(values(distances, 'kolmogorov')),
      largestKolmogorov: Math.max(...values(distances, 'kolmogorov')),
      nearZero: meanOf(distances.models.map(({ nearZero }) => nearZero)),
    })),
    notes: [
      `Total variation is 1/2 sum |p_b - q_b| over ${BINS} bins of equal width from the smallest to the largest weight of all runs of a kind, and one bin for |w| < ${NEAR_ZERO_TEXT}, whose weights are in no other.`,
      'It grows with the number of bins where there are few weights; the Kolmogorov distance, the largest difference of the distribution functions, has no bins.',
    ],
  };
}

function histogram([kind, { low, high, models }]: [Kind, Distances]): StudyPicture {
  const width = (BINS_PER_DOT * (high - low)) / BINS;
  return {
    title: `Weights of ${kind} networks`,
    x: { label: 'weight', scale: 'linear', format: 'quantity' },
    y: { label: 'share of the weights', scale: 'log', format: 'quantity' },
    series: models.map(({ shares }, run) => ({
      name: `run ${run + 1}`,
      mark: 'dots',
      points: Array.from({ length: BINS / BINS_PER_DOT }, (_, dot) => ({
        x: low + (dot + 0.5) * width,
        y: shares.slice(dot * BINS_PER_DOT, (dot + 1) * BINS_PER_DOT).reduce((sum, share) => sum + share, 0),
      })),
    })),
    caption: `A dot is the share in a range of ${width.toPrecision(3)}, of weights from ${NEAR_ZERO_TEXT} on; ranges without a weight have none.`,
  };
}

function findings(settings: StudySettings, outcomes: Outcomes): StudyFindings {
  const found = KINDS.flatMap((kind): [Kind, Distances][] => {
    const distances = outcomes.get(`distances ${kind}`, 'distribution');
    return distances === null ? [] : [[kind, distances]];
  });
  return {
    summary: [
      ...trainingSentence(settings, true),
      `${settings.seeds} runs of each kind, with the seeds ${settings.seed} to ${settings.seed + settings.seeds - 1}: initial weights and the order of the examples differ.`,
    ],
    tables: [meansTable(found)],
    pictures: found.map(histogram),
  };
}

export const weightDistributionStudy: Study = {
  title: 'distributions of weights, and distances between independent runs',
  plan: (settings) => {
    if (settings.givenModel) {
      throw new InputError(
        'study/given-model',
        'weight-distribution compares independent trainings; leave out --model, and say --network',
      );
    }
    if (settings.seeds < 2) {
      throw new InputError('study/seeds', 'weight-distribution compares runs; give --seeds 2 or more');
    }
    return KINDS.flatMap((kind) => [
      ...runsOf(settings, kind).flatMap(({ cells }) => cells),
      cellOf(settings, kind),
    ]);
  },
  findings,
};
