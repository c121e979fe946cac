/** The sections of a report about limits of single layers and allocations to layers. */
import type { TotalReport } from './allocation-schema.js';
import { isFarOff } from './model-fit.js';
import { increaseWords } from './pattern-sections.js';
import type { Report } from './schema.js';
import { type Section, section } from './sections.js';
import * as text from './text.js';

type Layers = NonNullable<Report['layers']>;

function limitWords({ pruned, capped }: { pruned: number; capped: boolean }): string {
  return `${capped ? '>= ' : ''}${text.percent(pruned)}`;
}

function aloneSection(alone: NonNullable<Layers['alone']>): Section {
  return section('Layers: how far each can be pruned alone', {
    grid: {
      head: ['layer', 'slice limit', 'measured'],
      rows: alone.map(({ name, predicted, measured }) => [
        text.printable(name),
        limitWords(predicted),
        limitWords(measured),
      ]),
      numeric: [1, 2],
    },
    notes: [
      'part of the layer that can be pruned by magnitude, all others dense, until the loss increase exceeds epsilon: by ' +
        'the quadratic model, and as measured',
    ],
  });
}

function accuracyWords({ test }: TotalReport['accuracy']): string {
  return test === null ? '-' : text.percent(test, 2);
}

function allocationNotes(totals: readonly TotalReport[], epsilon: number): string[] {
  const same = totals.filter(({ weights }) =>
    weights.every(({ pruned, globalMagnitude }) => pruned === globalMagnitude),
  );
  const lost = totals.filter(({ better }) => better === 'global-magnitude');
  const worseAccuracy = totals.filter(
    ({ accuracy, globalMagnitude, better }) =>
      better === 'allocation' &&
      accuracy.test !== null &&
      globalMagnitude.accuracy.test !== null &&
      accuracy.test < globalMagnitude.accuracy.test,
  );
  const worseTest = totals.filter(
    ({ testLossIncrease, globalMagnitude, better }) =>
      better === 'allocation' &&
      testLossIncrease !== null &&
      globalMagnitude.testLossIncrease !== null &&
      testLossIncrease > globalMagnitude.testLossIncrease,
  );
  const list = (found: readonly TotalReport[]): string =>
    found.map(({ pruned }) => text.percent(pruned)).join(', ');
  const off = totals.filter(({ predictedIncrease, lossIncrease }) =>
    isFarOff(predictedIncrease, lossIncrease, epsilon),
  );
  return [
    'allocation: the parts of the layers whose increases alone, predicted or measured, whichever is worse, at least 0, and ' +
      'interactions, by the quadratic model, sum to the least; prune --allocation REPORT writes it',
    ...(same.length === 0
      ? []
      : [`at ${list(same)} nothing better than global magnitude pruning itself was found`]),
    ...(lost.length === 0
      ? []
      : [
          `the allocation does not win at ${list(lost)}: global magnitude pruning has the smaller loss there`,
        ]),
    ...(worseTest.length === 0
      ? []
      : [
          `at ${list(worseTest)} it wins on the training examples that it was chosen by, but not by the loss on the test examples; more --examples may help`,
        ]),
    ...(worseAccuracy.length === 0
      ? []
      : [
          `its test accuracy is below that of global magnitude at ${list(worseAccuracy)}, for all its smaller loss`,
        ]),
    ...(off.length === 0
      ? []
      : [`the quadratic model is off by a factor of 2 or more at ${list(off)}: rely on what was measured`]),
  ];
}

function allocationSection(
  { totals, products, evaluations }: NonNullable<Layers['allocation']>,
  epsilon: number,
): Section {
  const row = (name: string, pruned: string, removal: TotalReport['globalMagnitude']) => [
    pruned,
    name,
    text.quantity(removal.predictedIncrease),
    increaseWords(removal.lossIncrease),
    removal.accuracy.test === null ? '-' : increaseWords(removal.testLossIncrease),
    accuracyWords(removal.accuracy),
  ];
  return section('Layers: allocation of a total, measured', {
    grid: {
      head: ['pruned', 'way', 'predicted increase', 'loss increase', 'test loss increase', 'test accuracy'],
      rows: totals.flatMap((total) => [
        row('allocation', text.percent(total.pruned), total),
        row('global magnitude', '', total.globalMagnitude),
      ]),
      numeric: [0, 2, 3, 4, 5],
    },
    notes: [
      ...allocationNotes(totals, epsilon),
      `took ${text.plural(products, 'product')} and ${text.plural(evaluations, 'evaluation')}`,
    ],
  });
}

function sharesSection({ totals }: NonNullable<Layers['allocation']>): Section {
  const names = totals[0]?.weights.map(({ name }) => name) ?? [];
  return section('Layers: the part pruned by the allocation (by global magnitude)', {
    grid: {
      head: ['layer', ...totals.map(({ pruned }) => `of ${text.percent(pruned)}`)],
      rows: names.map((name, layer) => [
        text.printable(name),
        ...totals.map(({ weights }) => {
          const { pruned, globalMagnitude } = weights[layer]!;
          return `${text.percent(pruned, 0)} (${text.percent(globalMagnitude, 0)})`;
        }),
      ]),
      numeric: totals.map((_, index) => 1 + index),
    },
  });
}

/** Limits of single layers and allocations; nothing where they were not computed. */
export function allocationSections({ layers, epsilon }: Report): Section[] {
  if (layers?.alone === undefined || layers.allocation === undefined) {
    return [];
  }
  const { alone, allocation } = layers;
  return [
    aloneSection(alone),
    ...(allocation.totals.length === 0
      ? []
      : [allocationSection(allocation, epsilon.value), sharesSection(allocation)]),
  ];
}
