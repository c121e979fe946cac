import { describe, expect, it } from 'vitest';
import { decodeBfloat16, decodeFloat16, encodeFloat16 } from '../src/float16.js';

const ALL_HALVES = Uint16Array.from({ length: 65536 }, (_, i) => i);

/** The definition of binary16, in float64. */
function halfValue(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}

const encodeOne = (value: number) => encodeFloat16(Float32Array.of(value))[0];

describe('float16', () => {
  it('decodes every half by the definition', () => {
    const wrong = [...decodeFloat16(ALL_HALVES)].findIndex(
      (value, half) => !Object.is(value, halfValue(half)),
    );
    expect(wrong).toBe(-1);
  });

  it('encodes every decoded half back to itself, NaN payloads included', () => {
    expect(Buffer.from(encodeFloat16(decodeFloat16(ALL_HALVES)).buffer)).toEqual(
      Buffer.from(ALL_HALVES.buffer),
    );
  });

  it('rounds the middle of every two neighbours to the even one, and what is off the middle to the nearer', () => {
    for (let half = 0; half < 0x7bff; half++) {
      const middle = (halfValue(half) + halfValue(half + 1)) / 2;
      const step = Math.abs(middle) * 2 ** -23 + 2 ** -149;
      const even = half % 2 === 0 ? half : half + 1;
      for (const sign of [0, 0x8000]) {
        const s = sign ? -1 : 1;
        const got = encodeFloat16(Float32Array.of(s * middle, s * (middle - step), s * (middle + step)));
        if (got[0] !== (sign | even) || got[1] !== (sign | half) || got[2] !== (sign | (half + 1))) {
          expect.fail(`around ${middle}: ${[...got]}, expected ${even} ${half} ${half + 1} with sign ${s}`);
        }
      }
    }
  });

  it.each([
    ['the largest finite half', 65504, 0x7bff],
    ['just below the overflow', 65519.99609375, 0x7bff],
    ['the first overflow', 65520, 0x7c00],
    ['far beyond', -3e38, 0xfc00],
    ['infinity', Number.NEGATIVE_INFINITY, 0xfc00],
    ['half the smallest subnormal, a tie to zero', 2 ** -25, 0],
    ['just above it', 2 ** -25 * 1.0001, 1],
    ['a float32 subnormal', -(2 ** -140), 0x8000],
    ['minus zero', -0, 0x8000],
    ['the largest subnormal rounding up to the smallest normal', 2 ** -14 - 2 ** -26, 0x0400],
    ['NaN', Number.NaN, 0x7e00],
  ])('encodes %s', (_name, value, half) => {
    expect(encodeOne(value)).toBe(half);
  });

  it('keeps a NaN whose payload lies below the half a NaN', () => {
    const bits = Uint32Array.of(0x7f800001, 0xff800001);
    expect([...encodeFloat16(new Float32Array(bits.buffer))]).toEqual([0x7e00, 0xfe00]);
  });
});

describe('bfloat16', () => {
  it('decodes every value by the definition: sign, 8 bits of exponent, 7 of fraction', () => {
    const value = (half: number): number => {
      const sign = half & 0x8000 ? -1 : 1;
      const exponent = (half >>> 7) & 0xff;
      const fraction = (half & 0x7f) / 128;
      if (exponent === 255) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
      return sign * (exponent ? (1 + fraction) * 2 ** (exponent - 127) : fraction * 2 ** -126);
    };
    const wrong = [...decodeBfloat16(ALL_HALVES)].findIndex((got, half) => !Object.is(got, value(half)));
    expect(wrong).toBe(-1);
  });
});
