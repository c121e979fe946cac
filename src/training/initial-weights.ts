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
  const scale = Math.sqrt(gain / fanIn(shape));
  return Float32Array.from({ length: elementCount(shape) }, () => scale * random.normal());
}

/**
 * A kernel of one magnitude, sqrt(gain / fan-in), and random signs, in float32: of the same variance as
 * {@link normalKernel}, as in Ramanujan et al. 2020 ("signed Kaiming constant").
 */
export function signedConstantKernel(
  shape: readonly number[],
  gain: number,
  random: RandomStream,
): Float32Array {
  const magnitude = Math.sqrt(gain / fanIn(shape));
  return Float32Array.from({ length: elementCount(shape) }, () => magnitude * random.sign());
}
