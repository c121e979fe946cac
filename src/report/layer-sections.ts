/** The sections of a report about single layers. */
import { theoryNames } from './limit-names.js';
import type { Report } from './schema.js';
import { type Section, section } from './sections.js';
import * as text from './text.js';

type Layers = NonNullable<Report['layers']>;

const keptColumns = [
  { heading: theoryNames.slice, key: 'slice' },
  { heading: theoryNames.gaussianWidth, key: 'gaussianWidth' },
  { heading: theoryNames.sharp, key: 'sharp' },
  { heading: 'connected', key: 'connected' },
  { heading: 'loss', key: 'loss' },
] as const;

function keptSection({ weights }: Layers): Section {
  // What is null is so for all layers.
  const columns = keptColumns.filter(({ key }) => weights.every(({ kept }) => kept[key] !== null));
  return section('Layers: the part kept at each limit', {
    grid: {
      head: ['layer', ...columns.map(({ heading }) => heading)],
      rows: weights.map(({ name, kept }) => [
        text.printable(name),
        ...columns.map(({ key }) => text.percent(kept[key] ?? 0)),
      ]),
      numeric: columns.map((_, index) => 1 + index),
    },
  });
}

/** A part of a total whose parts may cancel. */
function shareWords(share: number | null): string {
  return share === null ? '-' : `${text.signed(100 * share)} %`;
}

function layerSection({ weights, sensitivity }: Layers): Section {
  const head = ['layer', 'shape', 'weights', 'L2 norm'];
  const rows = weights.map(({ name, shape, size, norm, sensitivity: own }) => [
    text.printable(name),
    shape.join('x'),
    text.whole(size),
    text.quantity(norm),
    ...(own === null ? [] : [text.quantity(own.increaseAlone), shareWords(own.share)]),
  ]);
  if (sensitivity === null) {
    return section('Layers', {
      grid: { head, rows, numeric: [2, 3] },
      notes: [
        '--layers computes what each adds to the predicted loss increase, by a curvature product for each',
      ],
    });
  }
  const { predictedIncrease, strongestPair: pair } = sensitivity;
  return section('Layers: predicted loss increase at the slice limit', {
    grid: {
      head: [...head, 'pruned alone', 'share of whole'],
      rows,
      numeric: [2, 3, 4, 5],
    },
    notes: [
      `the whole: ${text.quantity(predictedIncrease)}, predicted where all layers are pruned; in the shares of it, which sum ` +
        'to 100 %, each layer has half of what a pair does only together',
      ...(pair === null
        ? []
        : [
            `strongest pair: ${text.printable(pair.first)} and ${text.printable(pair.second)}, ` +
              `${text.quantity(pair.increase)} only together (${shareWords(pair.share)} of the whole)`,
          ]),
    ],
  });
}

/** What pruning keeps of each layer and what that costs; nothing for reports without layers. */
export function layerSections({ layers }: Report): Section[] {
  return layers === undefined ? [] : [layerSection(layers), keptSection(layers)];
}
