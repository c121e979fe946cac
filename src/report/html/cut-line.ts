/** A place in a picture, in the units of its axes. */
export interface Place {
  x: number;
  y: number;
}

/** Ends of both axes. */
export interface Frame {
  x: readonly [number, number];
  y: readonly [number, number];
}

/** Rounding of an interpolated place over the length of its axis. */
const rounding = 1e-12;

function holds([low, high]: readonly [number, number], value: number): boolean {
  const slack = rounding * (high - low);
  return value >= low - slack && value <= high + slack;
}

/** The places of a line inside of a frame, with those where the straight lines between places enter and leave it. */
export function cutLine(frame: Frame, line: readonly Place[]): Place[] {
  return line.flatMap((to, index) => {
    const from = line[index - 1] ?? to;
    // Shares of the way from one place to the next at which an edge is met.
    const shares = (['x', 'y'] as const).flatMap((axis) =>
      frame[axis].map((edge) => (edge - from[axis]) / (to[axis] - from[axis])),
    );
    return [...shares.filter((share) => share > 0 && share < 1).sort((a, b) => a - b), 1]
      .map((share) =>
        share === 1 ? to : { x: from.x + share * (to.x - from.x), y: from.y + share * (to.y - from.y) },
      )
      .filter(({ x, y }) => holds(frame.x, x) && holds(frame.y, y));
  });
}
