/**
 * IEEE 754 binary16 and bfloat16, bit for bit.
 *
 * Everything works on bit patterns, so signed zeros, subnormals, infinities and
 * the payloads of NaN survive (a JavaScript number may quiet a NaN on the way).
 */

/** Values of an array of halves; every half is exact in float32. */
export function decodeFloat16(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = float16ToFloat32Bits(halves[i]!);
  return new Float32Array(bits.buffer);
}

/** Nearest halves, ties to even; magnitudes from 65520 on become infinite. */
export function encodeFloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < halves.length; i++) halves[i] = float32BitsToFloat16(bits[i]!);
  return halves;
}

/** Values of an array of bfloat16, which are the upper halves of float32. */
export function decodeBfloat16(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
  return new Float32Array(bits.buffer);
}

function float16ToFloat32Bits(half: number): number {
  const sign = (half & 0x8000) * 0x10000;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign + 0x7f800000 + (fraction << 13);
  if (exponent > 0) return sign + ((exponent + 112) << 23) + (fraction << 13);
  if (fraction === 0) return sign;
  // Subnormal, fraction * 2^-24: shift the leading bit up to where float32 hides it.
  const shift = Math.clz32(fraction) - 21;
  return sign + ((113 - shift) << 23) + (((fraction << shift) & 0x3ff) << 13);
}

function float32BitsToFloat16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7c00 | ((magnitude >>> 13) & 0x3ff || 0x200);
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    // Normal: rebias the exponent by 112; a carry out of the fraction moves it up, at the top to infinity.
    const rebiased = magnitude - 0x38000000;
    return sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13);
  }
  // Subnormal: a multiple of 2^-24. Below half of that, shift 25 and up, nothing is left.
  const shift = 126 - (magnitude >>> 23);
  if (shift > 24) return sign;
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const floor = significand >>> shift;
  const rest = significand & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (rest > half || (rest === half && floor & 1) ? floor + 1 : floor);
}
