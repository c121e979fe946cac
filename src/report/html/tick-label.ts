/** A number at an axis, short at every size: `0.25`, `−3`, `2e30`. */
export function tickLabel(tick: number): string {
  const size = Math.abs(tick);
  const digits = Number(size.toPrecision(6)); // multiples of a step are not exact
  const short = digits === 0 || (digits >= 1e-3 && digits < 1e5) ? String(digits) : digits.toExponential();
  return `${tick < 0 && digits !== 0 ? '−' : ''}${short.replace('e+', 'e')}`;
}
