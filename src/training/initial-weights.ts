import { elementCount } from '../checkpoint/checkpoint.js';
import type { RandomStream } from '../random.js';

/**
 * How many inputs each output of a kernel sums over: all dimensions but the
 * last, for Dense [in, out] and Conv2D [height, width, in, out] alike.
 */
export function fanIn(shape: readonly number[]): number {
  return elementCount(shape.slice(0, -1));
}

/**
 * A normally distributed kernel of variance gain / fan-in, in float32.
 *
 * @param gain 2 before a relu, which halves the second moment (He et al. 2015);
 *   1 where no activation follows
 */
export function normalKernel(shape: readonly number[], gain: number, random: RandomStream): Float32Array {
  return normalValues(elementCount(shape), gain / fanIn(shape), random);
}

/** Normally distributed numbers of mean 0, in float32. */
export function normalValues(count: number, variance: number, random: RandomStream): Float32Array {
  const deviation = Math.sqrt(variance);
  return Float32Array.from({ length: count }, () => deviation * random.normal());
}

/**
 * Numbers of one magnitude and random signs, in float32: of the same mean and variance as {@link normalValues}, as in
 * Ramanujan et al. 2020 ("signed Kaiming constant").
 */
export function signedValues(count: number, variance: number, random: RandomStream): Float32Array {
  const magnitude = Math.sqrt(variance);
  return Float32Array.from({ length: count }, () => magnitude * random.sign());
}
