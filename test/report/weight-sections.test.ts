import { describe, expect, it } from 'vitest';
import { pictureHtml } from '../../src/report/html/figure.js';
import { reportFigures } from '../../src/report/html/figures.js';
import { type Report, reportSchema } from '../../src/report/schema.js';
import { weightSections } from '../../src/report/weight-sections.js';
import { sampleReport } from './sample-report.js';

function withWeights(): Report {
  const curve = (factor: number) =>
    [0, 0.5, 0.8, 0.9, 1].map((pruned) => ({
      pruned,
      radius: factor * 3 * pruned ** 2,
      squaredGaussianWidth: 1 - (0.3 * factor * pruned) / 5,
      statisticalDimension: 1 - (0.2 * factor * pruned) / 5,
    }));
  const limit = (pruned: number, crossing = pruned) => ({ pruned, capped: pruned < crossing, crossing });
  return {
    ...sampleReport(),
    weights: {
      histogram: { zeros: 100, edges: [-3, -2, -1, 0], counts: [12000, 20000, 260] },
      thresholds: [
        { limit: 'slice', pruned: 0.8, magnitude: 0.02, settled: true },
        { limit: 'gaussianWidth', pruned: 0.93, magnitude: 0.08, settled: false },
        { limit: 'loss', pruned: 0.001, magnitude: 0, settled: true },
      ],
    },
    weightScales: [
      { factor: 2, gaussianWidth: limit(0.9), sharp: limit(0.95, 0.97), curve: curve(2) },
      { factor: 5, gaussianWidth: limit(0.8), sharp: limit(0.9), curve: curve(5) },
    ],
    rowNorms: {
      products: 3,
      rows: [0, 2e-4, 3].map((norm, i) => ({
        ...{ pruned: i / 3, weight: 'k', index: i, magnitude: 0.1 * i, norm },
      })),
      mean: 1.0000667,
      dead: {
        scaleFree: { threshold: 1.0000667e-3, share: 2 / 3 },
        paper: { threshold: 1.279e-5, share: 1 / 3 },
      },
    },
  };
}

describe('sections of weights', () => {
  it('say limits of scaled weights and dead rows', () => {
    const report = withWeights();
    expect(reportSchema.safeParse(report).success).toBe(true);
    const [scales, rows] = weightSections(report);
    expect(rows.notes).toEqual([]);
    const shared = { ...report, rowNorms: { ...report.rowNorms!, products: 2 } };
    expect(weightSections(shared)[1].notes).toEqual([
      'weights of one magnitude share the row of the first of them',
    ]);
    expect(scales.grid?.rows).toEqual([
      ['2', '90.0 %', '95.0 % (connected)'],
      ['5', '80.0 %', '90.0 %'],
    ]);
    expect(rows.pairs).toEqual([
      ['rows', '3 rows at equal distances in the order of magnitudes, 3 products'],
      ['L1 norms', 'tenth part 0, half 0.0002000, nine tenths 3.000, mean 1.000'],
      ['dead', '66.7 % of the rows, below 0.001000 (a thousandth of the mean)'],
      [
        'dead',
        "33.3 % of the rows, below 1.279e-5 (the paper's threshold, which depends on the scale of the loss)",
      ],
    ]);
  });

  it('are absent where nothing was asked for', () => {
    expect(weightSections(sampleReport())).toEqual([]);
  });
});

describe('pictures of weights', () => {
  const figures = reportFigures(withWeights());
  const figureOf = (heading: string) => figures.find((figure) => figure.heading === heading)!;

  it('are drawn in both widths, with every number', () => {
    for (const heading of ['If the weights were larger', 'Weights', 'Rows of the curvature']) {
      const { pictures } = figureOf(heading);
      expect(pictures).toHaveLength(1);
      const html = pictureHtml(pictures[0]);
      expect(html.match(/<svg/g)).toHaveLength(2);
      expect(html).not.toMatch(/NaN|Infinity/);
    }
  });

  it('say what they leave out', () => {
    const { legend, caption } = figureOf('Weights');
    expect(legend.map(({ name, shape }) => [name, shape])).toEqual([
      ['slice: |w| up to 0.02000', 'line'],
      ['Gaussian width: |w| up to 0.08000', 'dashed'],
    ]);
    expect(caption).toContain('100 weights of 32,360 (0.31 %) are exactly 0');
    expect(caption).toContain('1 limit at which none but zeros are removed');
    expect(figureOf('Rows of the curvature').caption).toContain('1 row of exactly 0');
  });

  it('are left out where there is nothing to draw', () => {
    const { weights, rowNorms, ...report } = withWeights();
    const empty = reportFigures({
      ...report,
      weights: { ...weights!, histogram: { zeros: 32360, edges: [], counts: [] } },
      rowNorms: { ...rowNorms!, mean: 0, rows: rowNorms!.rows.map((row) => ({ ...row, norm: 0 })) },
    });
    for (const heading of ['Weights', 'Rows of the curvature']) {
      const figure = empty.find((one) => one.heading === heading)!;
      expect(figure.pictures).toEqual([]);
      expect(figure.caption).toMatch(/^All/);
    }
  });
});
