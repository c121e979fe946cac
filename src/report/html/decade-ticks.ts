/** Ticks of logarithmic axes. */

/** Powers of ten between two numbers above 0, about seven at most. */
export function decades(low: number, high: number): number[] {
  const [first, last] = [Math.ceil(Math.log10(low)), Math.floor(Math.log10(high))];
  const every = Math.max(1, Math.ceil((last - first) / 6));
  return Array.from({ length: Math.max(0, Math.floor((last - first) / every) + 1) }, (_, index) =>
    Number(`1e${first + every * index}`),
  );
}
