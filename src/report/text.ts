/** How numbers and foreign text are written, the same in every renderer. */

/** Decimals that leave at least two digits of the smaller part: 91.7, but 99.95; 0 and 1 need none. */
function percentDecimals(...fractions: number[]): number {
  const parts = fractions.map((fraction) => Math.min(fraction, 1 - fraction)).filter((part) => part > 0);
  const smallest = Math.min(...parts, 1);
  return smallest >= 0.01 ? 1 : Math.min(5, Math.ceil(-Math.log10(smallest)) - 1);
}

function rounded(fraction: number, decimals: number): string {
  return (100 * fraction).toFixed(decimals);
}

/** `91.7 %` */
export function percent(fraction: number, decimals = percentDecimals(fraction)): string {
  return `${rounded(fraction, decimals)} %`;
}

/** `12x`, how many times fewer weights are left. */
export function factor(kept: number): string {
  if (kept <= 0) {
    return 'all gone';
  }
  const times = 1 / kept;
  return `${times < 9.95 ? times.toFixed(1) : Math.round(times)}x`;
}

/** `pruned 91.7 % (kept 8.3 %, 12x fewer weights)` */
export function prunedAndKept(pruned: number): string {
  const kept = 1 - pruned;
  const size = kept > 0 && kept < 1 ? `, ${factor(kept)} fewer weights` : '';
  return `pruned ${percent(pruned)} (kept ${percent(kept)}${size})`;
}

/** `91.3 to 92.1 %` */
export function range(low: number, high: number): string {
  const decimals = percentDecimals(low, high);
  return `${rounded(low, decimals)} to ${percent(high, decimals)}`;
}

/** `91.3 % and 92.1 %` */
export function between(low: number, high: number): string {
  const decimals = percentDecimals(low, high);
  return `${percent(low, decimals)} and ${percent(high, decimals)}`;
}

/** `+1.7 points` */
export function points(value: number): string {
  return `${signed(value)} points`;
}

/** `0.5 points`, a size without direction */
export function plainPoints(value: number): string {
  return `${Number(value.toPrecision(2))} ${value === 1 ? 'point' : 'points'}`;
}

/** `+1.7`; never `-0.0`. */
export function signed(value: number): string {
  const digits = Math.abs(value).toFixed(1);
  const sign = digits === '0.0' ? '' : value < 0 ? '-' : '+';
  return sign + digits;
}

/** Four significant digits: `0.06140`, `17.03`, `1.234e-7`. */
export function quantity(value: number): string {
  const size = Math.abs(value);
  if (size === 0) {
    return '0';
  }
  return size < 1e-4 || size >= 1e6 ? value.toExponential(3) : value.toPrecision(4);
}

/** `32,360` */
export function whole(count: number): string {
  return count.toLocaleString('en-US');
}

/** `2,048 examples`, `1 probe` */
export function plural(count: number, noun: string): string {
  return `${whole(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** Foreign text (paths, names, messages) without control characters, which could move the cursor. */
export function printable(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** JSON as prune-limit writes it everywhere: two spaces, a newline at the end. */
export function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
