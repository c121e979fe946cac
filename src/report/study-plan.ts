/** The cells of a study before they are run. */
import { type ReportDocument, section } from './sections.js';
import * as text from './text.js';

/** A cell as a plan shows it. */
interface ShownCell {
  name: string;
  finished: boolean;
  expectedSeconds: number | null;
}

/** How long what is left may take, and from what that is known. */
function timeLeft(open: readonly ShownCell[]): string {
  if (open.length === 0) {
    return 'none: all cells are finished';
  }
  const known = open.map(({ expectedSeconds }) => expectedSeconds).filter((seconds) => seconds !== null);
  const unknown = open.length - known.length;
  const seconds = known.reduce((sum, value) => sum + value, 0);
  const estimate = `about ${text.quantity(seconds)} s for ${text.plural(known.length, 'cell')}, by finished cells of their kind in this folder`;
  const rest = `not known for ${text.plural(unknown, 'cell')}: none of their kind is finished in this folder`;
  return known.length === 0 ? rest : unknown === 0 ? estimate : `${estimate}; ${rest}`;
}

/** The cells of a study as a document. */
export function describePlan(study: string, cells: readonly ShownCell[]): ReportDocument {
  const open = cells.filter(({ finished }) => !finished);
  return {
    title: `prune-limit study ${study}: its cells`,
    sections: [
      section('Plan', {
        pairs: [
          [
            'cells',
            `${text.whole(cells.length)}, ${text.whole(cells.length - open.length)} of them finished`,
          ],
          ['time left', timeLeft(open)],
        ],
        grid: {
          head: ['cell', 'finished', 'expected seconds'],
          rows: cells.map(({ name, finished, expectedSeconds }) => [
            text.printable(name),
            finished ? 'yes' : 'no',
            expectedSeconds === null ? 'not known' : text.quantity(expectedSeconds),
          ]),
          numeric: [2],
        },
      }),
    ],
  };
}
