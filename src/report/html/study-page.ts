/** The result of a study as one HTML file that needs no script and no network. */
import * as Plot from '@observablehq/plot';
import { describeStudy, shownNumber, studyGrid, studyTitle } from '../study-document.js';
import type { NumberFormat, StudyPicture, StudyResult } from '../study-schema.js';
import * as text from '../text.js';
import { decades } from './decade-ticks.js';
import { color, type Figure, type LegendEntry } from './figure.js';
import { escapeHtml, proseHtml } from './markup.js';
import { figureHtml, folded, gridHtml, pageHtml, pairsHtml } from './page.js';
import { tickLabel } from './tick-label.js';

const COLORS = ['slice', 'gaussian-width', 'measured', 'sharp', 'epsilon', 'text', 'connected'];
/** Lines of one colour are told apart by these. */
const SHAPES = ['line', 'dashed', 'dotted'] as const;
const DASHES = { line: undefined, dashed: '6 4', dotted: '1.5 3.5' };
/** A short level line. */
const END_OF_BAR: Plot.SymbolImplementation = {
  draw: (context: Record<'moveTo' | 'lineTo', (x: number, y: number) => void>, size: number) => {
    const reach = Math.sqrt(size) / 2;
    context.moveTo(-reach, 0);
    context.lineTo(reach, 0);
  },
};
/** Curves of more points are drawn without dots. */
const MOST_DOTS = 40;

function styleOf(index: number): { color: string; shape: (typeof SHAPES)[number] } {
  return {
    color: COLORS[index % COLORS.length],
    shape: SHAPES[Math.floor(index / COLORS.length) % SHAPES.length],
  };
}

function legendOf({ series }: StudyPicture): LegendEntry[] {
  return series.map(({ name, mark }, index) => {
    const { color: name_, shape } = styleOf(index);
    return { name: text.printable(name), color: name_, shape: mark === 'dots' ? 'dot' : shape };
  });
}

function tickFormat(format: NumberFormat): (tick: number) => string {
  return format === 'percent' ? (tick) => `${Number((100 * tick).toPrecision(4))} %` : tickLabel;
}

type Point = StudyPicture['series'][number]['points'][number];
type SpreadPoint = Required<Point>;

/** Points whose extremes can be drawn. */
function spreadOf(points: readonly Point[], { y }: StudyPicture): SpreadPoint[] {
  return points.filter(
    (point): point is SpreadPoint =>
      point.low !== undefined && point.high !== undefined && (y.scale === 'linear' || point.low > 0),
  );
}

/** Bars from the lowest to the highest, with ends that can be told from the line. */
function spreadMarks(points: readonly SpreadPoint[], stroke: string): Plot.Markish[] {
  return [
    Plot.ruleX(points, { x: 'x', y1: 'low', y2: 'high', stroke, strokeWidth: 1.5, strokeOpacity: 0.7 }),
    ...(['low', 'high'] as const).map((y) =>
      Plot.dot(points, { x: 'x', y, symbol: END_OF_BAR, r: 3, stroke, strokeWidth: 1.5, strokeOpacity: 0.7 }),
    ),
  ];
}

/** What an axis of a picture needs: its scale, ticks and how they read. */
function axisOf(axis: StudyPicture['x'], values: readonly number[]) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const isLog = axis.scale === 'log';
  const ticks = isLog ? decades(low, high) : [];
  return { type: axis.scale, domain: [low, high], ticks: ticks.length > 1 ? ticks : 5 };
}

function figureOf(study: string, picture: StudyPicture, index: number): Figure {
  const { title, caption } = picture;
  const positive = (axis: 'x' | 'y', value: number): boolean => picture[axis].scale === 'linear' || value > 0;
  const series = picture.series.map((line) => ({
    ...line,
    points: line.points.filter(({ x, y }) => positive('x', x) && positive('y', y)),
  }));
  const points = series.flatMap((line) => line.points);
  if (points.length === 0) {
    return { heading: title, pictures: [], legend: [], caption: 'There is nothing to draw.' };
  }
  const x = axisOf(
    picture.x,
    points.map((point) => point.x),
  );
  const y = axisOf(
    picture.y,
    points.flatMap((point) => [
      point.y,
      ...spreadOf([point], picture).flatMap(({ low, high }) => [low, high]),
    ]),
  );
  const description = series
    .filter((line) => line.points.length > 0)
    .map((line) => {
      const last = line.points.at(-1)!;
      return `${line.name}: ${shownNumber(last.y, picture.y.format)} at ${shownNumber(last.x, picture.x.format)}`;
    })
    .join('; ');
  return {
    heading: title,
    legend: legendOf(picture),
    caption,
    pictures: [
      {
        id: `${study}-${String.fromCharCode(97 + index)}`,
        title: `${picture.y.label} by ${picture.x.label}`,
        description,
        plot: (width) => ({
          x: { type: x.type, domain: x.domain },
          y: { type: y.type, domain: y.domain },
          height: width === 'wide' ? 380 : 320,
          marginLeft: 70,
          marginTop: 12,
          marginBottom: 42,
          insetLeft: 6,
          insetRight: 6,
          insetTop: 6,
          insetBottom: 6,
          marks: [
            Plot.gridY({ stroke: 'currentColor', strokeOpacity: 0.15, ticks: y.ticks }),
            Plot.axisX({
              ticks: x.ticks,
              tickFormat: tickFormat(picture.x.format),
              label: picture.x.label,
              labelAnchor: 'center',
              labelArrow: 'none',
            }),
            Plot.axisY({ ticks: y.ticks, tickFormat: tickFormat(picture.y.format), label: null }),
            ...series.flatMap((line, order) => {
              const { color: name, shape } = styleOf(order);
              const places = { x: 'x', y: 'y' } as const;
              return [
                ...spreadMarks(spreadOf(line.points, picture), color(name)),
                ...(line.mark === 'line'
                  ? [
                      Plot.line(line.points, {
                        ...places,
                        stroke: color(name),
                        strokeWidth: 2,
                        strokeDasharray: DASHES[shape],
                      }),
                    ]
                  : []),
                ...(line.mark === 'dots' || line.points.length <= MOST_DOTS
                  ? [Plot.dot(line.points, { ...places, r: 2.5, fill: color(name) })]
                  : []),
              ];
            }),
          ],
        }),
      },
    ],
  };
}

/** The page of a study: what was done, pictures, every table, and its cells folded. */
export function renderStudyHtml(result: StudyResult): string {
  const { summary, tables, pictures, cells } = result;
  const [done] = describeStudy(result).sections;
  const notes = (list: readonly string[]): string =>
    list.length === 0 ? '' : `<ul>${list.map((note) => `<li>${proseHtml(note)}</li>`).join('')}</ul>`;
  const cellGrid = {
    head: ['cell', 'seconds', 'from before', 'key'],
    rows: cells.map(({ name, seconds, reused, refused, key }) => [
      text.printable(refused === null ? name : `${name}: ${refused}`),
      seconds === null ? '-' : seconds.toFixed(1),
      reused ? 'yes' : 'no',
      key,
    ]),
    numeric: [1],
  };
  return pageHtml(studyTitle(result), [
    `<h1>${escapeHtml(studyTitle(result))}</h1>`,
    ...summary.map((sentence) => `<p>${proseHtml(text.printable(sentence))}</p>`),
    `<section>${pairsHtml(done.pairs)}</section>`,
    ...pictures.map((picture, index) => figureHtml(figureOf(result.study, picture, index))),
    ...tables.map(
      (table) =>
        `<section><h2>${escapeHtml(table.title)}</h2>${gridHtml(studyGrid(table), table.title)}${notes(table.notes.map(text.printable))}</section>`,
    ),
    folded('Cells', gridHtml(cellGrid, 'Cells')),
  ]);
}
