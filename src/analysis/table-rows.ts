import type { Examples } from '../dataset/examples.js';
import { InputError } from '../errors.js';
import type { InputTable } from '../network/network.js';

/** Examples whose inputs are held at a time while they are checked. */
const CHECKED_AT_ONCE = 256;

/**
 * Refuses inputs that are row numbers of a table but lie outside of it, or are no whole numbers.
 *
 * @param tables all read the same inputs
 * @param order which examples of the split these are
 * @throws InputError naming the example, the input and the table
 */
export function requireTableRows(
  tables: readonly InputTable[],
  examples: Pick<Examples, 'count' | 'inputs'>,
  order: Int32Array,
): void {
  if (tables.length === 0) {
    return;
  }
  const { layer, rows } = tables.reduce((least, table) => (table.rows < least.rows ? table : least));
  for (let start = 0; start < examples.count; start += CHECKED_AT_ONCE) {
    const end = Math.min(examples.count, start + CHECKED_AT_ONCE);
    const inputs = examples.inputs(start, end);
    const bad = inputs.findIndex((value) => !(Number.isInteger(value) && value >= 0 && value < rows));
    if (bad >= 0) {
      const example = order[start + Math.floor((bad * (end - start)) / inputs.length)];
      throw new InputError(
        'data/table-row',
        `example ${example} has the input ${inputs[bad]}, but the table of layer '${layer}' has ${rows} rows (0 to ${rows - 1}): give the data and the vocabulary that the model was trained with, without --normalize`,
      );
    }
  }
}
