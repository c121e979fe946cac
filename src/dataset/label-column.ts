/** Which column of a table is the label, and whether its first row names the columns. */

import { InputError } from '../errors.js';
import { quoted } from '../formats/quoted.js';

/** Names of columns that are taken for the label without being told, in lower case. */
const LABEL_NAMES: readonly string[] = ['label', 'class', 'target', 'y'];

/** Rows from this width on are images rather than tables. */
const IMAGE_WIDTH = 64;

const NUMBER = /^\s*[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?\s*$/;

/** Names that number the columns: `pixel783`, `28x28`, `px_3`, `f12`, `V5`, `attr7`, `17`. */
const NUMBERED = /^[a-z]*[ _.-]?\d+(?:[x_.-]\d+)*$/i;

/** Whether a cell is a plain decimal number. */
export function isNumeric(cell: string): boolean {
  return NUMBER.test(cell);
}

/**
 * A first row is a header when none of its cells is a number, or one names the label (other columns may have
 * numbers as names). A cell `y` is not enough for that: it is also an answer, next to `n`.
 */
export function isHeader(row: readonly string[], labelColumn: string | undefined): boolean {
  const isLabelName = (cell: string): boolean =>
    (cell.toLowerCase() !== 'y' && LABEL_NAMES.includes(cell.toLowerCase())) ||
    (cell === labelColumn && !isNumeric(cell));
  return !row.some(isNumeric) || row.some((cell) => isLabelName(cell.trim()));
}

/** What to do: an example where a column is likely, which a pixel or one of many numbered features is not. */
function remedy(header: readonly string[] | null, width: number): string {
  const likely = header
    ? [width - 1, 0].map((index) => header[index]).find((name) => name !== '' && !NUMBERED.test(name))
    : width < IMAGE_WIDTH
      ? String(width - 1)
      : undefined;
  if (likely !== undefined) {
    return `name it, for example --label-column ${header ? quoted(likely) : likely}`;
  }
  return `name it with --label-column and its ${header ? 'name or ' : ''}index (0 for the first column, ${width - 1} for the last)`;
}

/**
 * Index of the label column.
 *
 * @param header names of the columns, null without a header row
 * @param told a name, which wins, or an index; without it the one column that the header calls label, class, target or
 *   y, in any case
 * @throws InputError where it is not among the columns or not clear
 */
export function findLabelColumn(
  header: readonly string[] | null,
  width: number,
  told: string | undefined,
  path: string,
): number {
  if (told !== undefined) {
    const named = header ? header.indexOf(told) : -1;
    const index = named >= 0 ? named : /^\d+$/.test(told) ? Number(told) : -1;
    if (index < 0 || index >= width) {
      const present = header
        ? `${width} columns (${header.slice(0, 3).map(quoted).join(', ')}${width > 3 ? ', ...' : ''})`
        : `${width} columns and no header`;
      throw new InputError(
        'dataset/label-column',
        `${path}: no label column ${quoted(told)} among its ${present}; give a name of these or an index from 0 to ${width - 1} with --label-column`,
      );
    }
    return index;
  }
  const found = (header ?? []).flatMap((name, index) =>
    LABEL_NAMES.includes(name.toLowerCase()) ? [index] : [],
  );
  if (found.length !== 1) {
    const problem =
      found.length > 1
        ? `several columns may be the label (${found.map((index) => quoted(header![index])).join(', ')})`
        : `which of its ${width} columns is the label is not clear`;
    const how =
      found.length > 1
        ? `name it, for example --label-column ${quoted(header![found[0]])}`
        : remedy(header, width);
    throw new InputError('dataset/label-column', `${path}: ${problem}; ${how}`);
  }
  return found[0];
}
