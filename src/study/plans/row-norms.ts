/** L1 norms of rows of the curvature, from small weights to large ones (the paper's figure 6). */
import type { StudySettings } from '../settings.js';
import type { Outcomes, Study, StudyFindings } from '../study.js';
import { networksOf, trainingSentence } from './networks.js';

const analysisName = (network: string): string => `analyze ${network}`;

function findings(settings: StudySettings, outcomes: Outcomes): StudyFindings {
  const found = networksOf(settings).flatMap(({ name }) => {
    const rowNorms = outcomes.get(analysisName(name), 'analyze')?.report.rowNorms;
    return rowNorms === undefined ? [] : [{ name, rowNorms }];
  });
  return {
    summary: [
      ...trainingSentence(settings, true),
      `${settings.rows} rows of the curvature of each network, of weights at equally spaced places in the order of magnitudes.`,
    ],
    tables: [
      {
        title: 'Dead rows',
        columns: [
          { key: 'network', title: 'network', format: 'text' },
          { key: 'rows', title: 'rows', format: 'whole' },
          { key: 'mean', title: 'mean norm', format: 'quantity' },
          { key: 'deadScaleFree', title: 'dead, below 1/1000 of the mean', format: 'percent' },
          { key: 'deadPaper', title: 'dead, by the threshold of the paper', format: 'percent' },
        ],
        rows: found.map(({ name, rowNorms: { rows, mean, dead } }) => ({
          network: name,
          rows: rows.length,
          mean,
          deadScaleFree: dead.scaleFree.share,
          deadPaper: dead.paper.share,
        })),
        notes: [
          'The threshold of the paper, 1e-7 of batch sums over the number of examples, is 1.28e-5 of the mean loss; it hangs on the scale of the loss.',
        ],
      },
    ],
    pictures: [
      {
        title: 'Norms of rows from small weights to large ones',
        x: { label: 'weights of smaller magnitude', scale: 'linear', format: 'percent' },
        y: { label: 'L1 norm of the row', scale: 'log', format: 'quantity' },
        series: found.map(({ name, rowNorms }) => ({
          name,
          mark: 'dots',
          points: rowNorms.rows.map(({ pruned, norm }) => ({ x: pruned, y: norm })),
        })),
        caption: 'A dot is a row; rows of exactly 0 are not drawn.',
      },
    ],
  };
}

export const rowNormsStudy: Study = {
  title: 'norms of rows of the curvature against the magnitude of weights',
  plan: (settings) =>
    networksOf(settings).flatMap(({ name, model, cells }) => [
      ...cells,
      {
        kind: 'analyze',
        name: analysisName(name),
        model,
        config: { ...settings.analysis, rowNorms: settings.rows },
      },
    ]),
  findings,
};
