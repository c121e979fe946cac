/** What retraining reaches, in words. */
import type { Report } from './schema.js';
import { type Section, section } from './sections.js';
import * as text from './text.js';
import type { TunedReport } from './tuned-schema.js';

/** `seeds 96.4 to 97.0 %`: between what passes and what fails for both. */
export function tunedRange(
  { pruned, low, high, capped }: TunedReport['loss'],
  tries: TunedReport['tries'],
): string {
  if (capped && low === pruned) {
    return 'nothing fails';
  }
  const highKnown = tries.some((each) => each.pruned === high);
  return highKnown ? `seeds ${text.range(low, high)}` : `seeds from ${text.percent(low)}`;
}

/** `1 epoch`, `0.2 epochs` */
function epochWords(epochs: number): string {
  return epochs === 1 ? '1 epoch' : `${Number(epochs.toPrecision(4))} epochs`;
}

/** Notes on the rows of tuned limits; none where there are no such rows. */
export function tunedNotes({ tuned }: Report): string[] {
  return tuned === undefined
    ? []
    : [
        ...(tuned.compensated === undefined
          ? []
          : [
              'compensated: the kept weights moved to make up for the pruned ones, without training (prune --method compensated)',
            ]),
        `tuned: kept weights trained while the rest is pruned, in tries of ${epochWords(tuned.epochs)} that begin where others ended (${[tuned.loss, tuned.accuracy].flatMap((limit) => (limit ? [epochWords(limit.epochs)] : [])).join(' and ')} in all); seeds: from the largest part that passes for 2 seeds to the smallest that fails for both`,
      ];
}

/** Offers the measurement that the estimates are about, where it was not taken but can be. */
export function tuneOffer({ tuned, model, loss }: Report): string[] {
  return tuned === undefined && model.format === 'tfjs-layers' && loss.name === 'cross-entropy'
    ? ['--tune 1 measures how far retraining really goes']
    : [];
}

/** All trainings behind the tuned limits; none where they were not searched. */
export function tunedSections({ tuned, epsilon }: Report): Section[] {
  if (tuned === undefined) {
    return [];
  }
  const rows = [...tuned.tries]
    .sort((a, b) => a.pruned - b.pruned || a.seed - b.seed)
    .map(({ pruned, seed, start, epochs, lossIncrease, accuracy }) => [
      text.percent(pruned),
      String(seed),
      start === 0 ? 'dense' : text.percent(start),
      String(Number(epochs.toPrecision(4))),
      lossIncrease === null ? 'overflow' : text.quantity(lossIncrease),
      accuracy === null ? '-' : text.percent(accuracy, 2),
      lossIncrease !== null && lossIncrease <= epsilon.value ? 'yes' : 'no',
    ]);
  return [
    section('Pruned and retrained, measured', {
      grid: {
        head: [
          'pruned',
          'seed',
          'begun at',
          'epochs in all',
          'loss increase',
          'test accuracy',
          'within epsilon',
        ],
        rows,
        numeric: [0, 1, 2, 3, 4, 5],
      },
      notes: [
        `each row: ${epochWords(tuned.epochs)} on ${text.plural(tuned.examples, 'training example')}, from the network of the part that it was begun at, itself a row`,
        ...(tuned.learningRate === undefined
          ? []
          : [
              `learning rate ${text.quantity(tuned.learningRate)}, of ${tuned.triedRates?.length} that of the lowest training loss`,
            ]),
        'a limit of these trainings, not of all: longer ones may go further',
      ],
    }),
  ];
}
