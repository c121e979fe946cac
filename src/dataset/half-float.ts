/** IEEE 754 half precision, which JavaScript has no typed array for. */

/** The number that 16 bits stand for: 1 sign, 5 exponent (bias 15) and 10 fraction bits. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) {
    return sign * fraction * 2 ** -24;
  }
  if (exponent === 0x1f) {
    return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  }
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let table: Float32Array | null = null;

/** Half-precision numbers, given as their bits, in single precision; exact. */
export function halfToFloat(bits: Uint16Array): Float32Array {
  table ??= Float32Array.from({ length: 0x10000 }, (_, index) => halfValue(index));
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    values[i] = table[bits[i]];
  }
  return values;
}
