import type { Lowering } from './builder.js';

/**
 * Phases of an image: phase (i, j) holds what is in row i and column j of
 * every window, of windows that lie side by side.
 */
export const PHASE = 'PruneLimitPhase';
/** Puts phases back into an image; zeros in rows and columns that are in no window. */
export const FROM_PHASES = 'PruneLimitFromPhases';

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

/** Lowerings of phases. */
export const phaseLowerings: Readonly<Record<string, Lowering>> = {
  [PHASE]: phase,
  [FROM_PHASES]: fromPhases,
};
