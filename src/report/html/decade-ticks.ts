/** Ticks of logarithmic axes. */

/** Powers of ten between two numbers above 0, about seven at most. */
export function decades(low: number, high: number): number[] {
  const [first, last] = [Math.ceil(Math.log10(low)), Math.floor(Math.log10(high))];
  const every = Math.max(1, Math.ceil((last - first) / 6));
  return Array.from({ length: Math.max(0, Math.floor((last - first) / every) + 1) }, (_, index) =>
    Number(`1e${first + every * index}`),
  );
}

/** `0.001`, `1000`, `1e-4`: short as an axis needs it. */
export function decadeWords(tick: number): string {
  return tick >= 1e-3 && tick < 1e5 ? String(tick) : tick.toExponential(0);
}
