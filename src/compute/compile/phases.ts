import type { Lowering } from './builder.js';

/**
 * Phases of an image: phase (i, j) holds what is in row i and column j of
 * every window, of windows that lie side by side.
 */
export const PHASE = 'PruneLimitPhase';
/** Puts phases back into an image; zeros in rows and columns that are in no window. */
export const FROM_PHASES = 'PruneLimitFromPhases';
/** What a filter [kh, kw, in, out] adds to phases of its input, as a filter from its outputs: [.., .., out, phases of columns * in]. */
export const PHASE_FILTER = 'PruneLimitPhaseFilter';

/** Rows and, for each phase of columns, columns of a filter in another order; null for zeros. */
export interface PhaseTaps {
  rows: readonly (number | null)[];
  columns: readonly (readonly (number | null)[])[];
}

const phase: Lowering = (node, builder) => {
  const { row, column } = node.attributes as { row: number; column: number };
  const strides = node.attributes.strides as [number, number];
  const [, rows, columns] = builder.value(node.outputs[0]).shape;
  return [
    builder.add('Slice', [
      builder.full(node.inputs.x),
      builder.integers([row, column]),
      builder.integers([row + (rows - 1) * strides[0] + 1, column + (columns - 1) * strides[1] + 1]),
      builder.integers([1, 2]),
      builder.integers(strides),
    ]),
  ];
};

const fromPhases: Lowering = (node, builder) => {
  const [down, across] = node.attributes.strides as [number, number];
  const phases = Object.values(node.inputs);
  const [batch, rows, columns, channels] = builder.value(phases[0]).shape;
  const lines = Array.from({ length: down }, (_, row) => {
    const inRow = phases
      .slice(row * across, (row + 1) * across)
      .map((id) => builder.reshape(builder.full(id), [batch * rows * columns, channels]));
    const line = inRow.length === 1 ? inRow[0] : builder.add('Concat', inRow, { axis: 1 });
    return builder.reshape(line, [batch * rows, columns * across * channels]);
  });
  const image = lines.length === 1 ? lines[0] : builder.add('Concat', lines, { axis: 1 });
  const covered = builder.reshape(image, [batch, rows * down, columns * across, channels]);
  const { shape } = builder.value(node.outputs[0]);
  const [below, right] = [shape[1] - rows * down, shape[2] - columns * across];
  return [
    below + right === 0
      ? covered
      : builder.add('Pad', [covered, builder.integers([0, 0, 0, 0, 0, below, right, 0]), builder.scalar(0)]),
  ];
};

const phaseFilter: Lowering = (node, builder) => {
  const { rows, columns } = node.attributes.taps as PhaseTaps;
  const [height, width] = builder.value(node.inputs.filter).shape;
  const [down, across] = [rows, columns.flat()].map((taps) => (taps.includes(null) ? 1 : 0));
  const given = builder.full(node.inputs.filter);
  // A row and a column of zeros, for what no tap reaches.
  const filled =
    down + across === 0
      ? given
      : builder.add('Pad', [given, builder.integers([0, 0, 0, 0, down, across, 0, 0]), builder.scalar(0)]);
  const inRows = builder.add('Gather', [filled, builder.integers(rows.map((tap) => tap ?? height))], {
    axis: 0,
  });
  // By positions, then phases: [rows, positions, phases, in, out].
  const order = columns[0].flatMap((_, position) => columns.map((taps) => taps[position] ?? width));
  const gathered = builder.add(
    'Gather',
    [inRows, builder.integers(order, [columns[0].length, columns.length])],
    { axis: 1 },
  );
  return [
    builder.reshape(builder.transpose(gathered, [0, 1, 4, 2, 3]), builder.value(node.outputs[0]).shape),
  ];
};

/** Lowerings of phases. */
export const phaseLowerings: Readonly<Record<string, Lowering>> = {
  [PHASE]: phase,
  [FROM_PHASES]: fromPhases,
  [PHASE_FILTER]: phaseFilter,
};
