/** The layers: what each limit keeps of each, and what each does to the predicted loss. */
import * as Plot from '@observablehq/plot';
import { theoryNames } from '../limit-names.js';
import type { Report } from '../schema.js';
import * as text from '../text.js';
import { color, type LegendEntry, type Picture, type Width } from './figure.js';

type Layers = NonNullable<Report['layers']>;
type Layer = Layers['weights'][number];

/** Layers that a picture has room for; the table has all. */
const MOST_LAYERS = 60;
/** Letters of a name that there is room for left of the frame; longer ones keep their end, which tells layers apart. */
const NAME_LETTERS: Record<Width, number> = { wide: 32, narrow: 22 };
/** Width of a letter in pixels, on average and in wide fonts such as DejaVu Sans. */
const LETTER_PIXELS = 7;
/** Kept parts below this are drawn at the edge: the axis is logarithmic. */
const LEAST_KEPT = 1e-4;
const decades = [LEAST_KEPT, 1e-3, 1e-2, 0.1, 1];

const keptLimits = [
  { field: 'slice', name: theoryNames.slice, color: 'slice' },
  { field: 'gaussianWidth', name: theoryNames.gaussianWidth, color: 'gaussian-width' },
  { field: 'sharp', name: theoryNames.sharp, color: 'sharp' },
] as const;

function shortened(name: string, width: Width): string {
  const most = NAME_LETTERS[width];
  return name.length <= most ? name : `…${name.slice(name.length - most + 1)}`;
}

/** Rows of layers from top to bottom, in the order of the network. */
function rows(layers: readonly Layer[], width: Width): Plot.PlotOptions {
  const names = layers.map(({ name }) => shortened(text.printable(name), width));
  return {
    height: 66 + 22 * layers.length,
    marginLeft: 12 + LETTER_PIXELS * Math.max(5, ...names.map(({ length }) => length)),
    marginTop: 10,
    marginBottom: 42,
    // Positions, as names that are shortened need not differ.
    y: { type: 'band', domain: layers.map((_, index) => index), padding: 0.25 },
    marks: [
      Plot.axisY({
        label: null,
        tickSize: 0,
        tickFormat: (index: number) => names[index],
      }),
    ],
  };
}

/** Ticks over the decades that hold what is kept; a single one is divided. */
function keptTicks(parts: readonly number[]): number[] {
  const least = Math.min(...parts);
  const first = Math.max(
    0,
    decades.findLastIndex((decade) => decade <= least),
  );
  return first >= decades.length - 2 ? [0.1, 0.2, 0.5, 1] : decades.slice(first);
}

function keptPicture(layers: readonly Layer[]): Picture {
  const dots = keptLimits.flatMap(({ field, color: colorName }) =>
    layers.flatMap(({ kept }, row) => {
      const part = kept[field];
      return part === null ? [] : [{ row, part: Math.max(part, LEAST_KEPT), colorName }];
    }),
  );
  const ticks = keptTicks(dots.map(({ part }) => part));
  return {
    id: 'layers-kept',
    title: 'Part of each layer that is kept, where all are pruned to a limit by magnitude',
    description: layers
      .map(({ name, kept }) => {
        const parts = keptLimits.map(({ field, name: limit }) => {
          const part = kept[field];
          return `${part === null ? 'an unresolved part' : text.percent(part)} at the limit ${limit}`;
        });
        return `${text.printable(name)} keeps ${parts.join(', ')}`;
      })
      .join('; '),
    plot: (width) => {
      const { marks = [], ...options } = rows(layers, width);
      return {
        ...options,
        x: { type: 'log', domain: [ticks[0], 1] },
        marks: [
          ...marks,
          Plot.gridX(ticks, { stroke: 'currentColor', strokeOpacity: 0.15 }),
          Plot.axisX(ticks, {
            // As text: a format of a logarithmic axis leaves labels out.
            text: (part: number) => `${Number((100 * part).toPrecision(2))} %`,
            label: 'kept part',
            labelAnchor: 'center',
            labelArrow: 'none',
          }),
          Plot.dot(dots, {
            x: 'part',
            y: 'row',
            r: 5,
            stroke: ({ colorName }: { colorName: string }) => color(colorName),
            strokeWidth: 2.5,
            fill: color('page'),
          }),
        ],
      };
    },
  };
}

/** An axis from 0, or from the smallest share below it, to a round number. */
function shareDomain(shares: readonly number[]): [number, number] {
  const [low, high] = [Math.min(0, ...shares), Math.max(...shares)];
  const step = 0.5 * 10 ** Math.floor(Math.log10(high));
  return [low, step > 0 ? step * Math.ceil(high / step) : low < 0 ? 0 : 1];
}

function sharePicture(layers: readonly Layer[], pruned: number): Picture | null {
  const bars = layers.flatMap(({ sensitivity }, row) =>
    sensitivity === null || sensitivity.share === null ? [] : [{ row, share: sensitivity.share }],
  );
  if (bars.length === 0) {
    return null;
  }
  const domain = shareDomain(bars.map(({ share }) => share));
  const largest = bars.reduce((most, bar) => (bar.share > most.share ? bar : most));
  return {
    id: 'layers-share',
    title: `Share of each layer in the predicted loss increase, ${text.percent(pruned)} pruned`,
    legend: [],
    description: `The largest share, ${text.percent(largest.share)}, is that of ${text.printable(layers[largest.row].name)}.`,
    plot: (width) => {
      const { marks = [], ...options } = rows(layers, width);
      const ticks = width === 'wide' ? 5 : 3;
      return {
        ...options,
        x: { domain },
        marks: [
          ...marks,
          Plot.gridX({ stroke: 'currentColor', strokeOpacity: 0.15, ticks }),
          Plot.axisX({
            ticks,
            tickFormat: (share: number) => `${Number((100 * share).toPrecision(3))} %`,
            label: 'share of the increase',
            labelAnchor: 'center',
            labelArrow: 'none',
          }),
          Plot.barX(bars, {
            x: 'share',
            y: 'row',
            fill: ({ share }: { share: number }) => color(share < 0 ? 'negative' : 'slice'),
          }),
          Plot.ruleX([0], { stroke: 'currentColor' }),
        ],
      };
    },
  };
}

/** What is kept of each layer, and the shares where sensitivities were computed. */
export function layerPictures({ weights, sensitivity }: Layers): Picture[] {
  const layers = weights.slice(0, MOST_LAYERS);
  const share = sensitivity === null ? null : sharePicture(layers, sensitivity.pruned);
  return [keptPicture(layers), ...(share === null ? [] : [share])];
}

/** What colours in the first of these pictures mean: those of limits that keep something known. */
export function layersLegend({ weights }: Layers): LegendEntry[] {
  return keptLimits
    .filter(({ field }) => weights.some(({ kept }) => kept[field] !== null))
    .map(({ name, color: colorName }) => ({ name, color: colorName, shape: 'dot' }));
}

/** How the pictures are read, and what they leave out. */
export function layersCaption({ weights, sensitivity }: Layers): string {
  const least = Math.min(...weights.flatMap(({ kept }) => keptLimits.map(({ field }) => kept[field] ?? 1)));
  const unresolved = weights.some(({ kept }) => kept.gaussianWidth === null || kept.sharp === null);
  return (
    `Circles: what is kept at a limit of theory${least > LEAST_KEPT ? '' : `; ${text.percent(LEAST_KEPT)} and less lies on the left edge`}.` +
    (unresolved ? ' An unresolved limit has none.' : '') +
    (sensitivity === null
      ? ' What layers do to the loss was not computed: --layers does.'
      : ' Bars: the part of the increase that the quadratic model gives to a layer, with half of what it does together with each other layer; a bar to the left of 0 lowers the loss.') +
    (weights.length > MOST_LAYERS
      ? ` Of ${text.plural(weights.length, 'layer')} the first ${MOST_LAYERS} are drawn.`
      : '')
  );
}
