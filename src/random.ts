import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** A seeded stream of random numbers. Stateful: every call advances it. */
export interface RandomStream {
  /** Uniform in [0, 1) with 53 random bits. */
  uniform(): number;
  /** Uniform integer in [0, bound). */
  integer(bound: number): number;
  /** Standard normal (Box-Muller). */
  normal(): number;
  /** +1 or -1 with equal probability. */
  sign(): 1 | -1;
}

/** FNV-1a over the UTF-16 code units; mixes a stream's name into its seed. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) {
    hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  }
  return hash | 0;
}

/**
 * A reproducible random stream.
 *
 * @param seed any integer; the same seed and name give the same stream
 * @param name what the stream is for; streams of different names are
 *   independent, so that drawing more numbers in one place does not change
 *   another
 */
export function randomStream(seed: number, name: string): RandomStream {
  const generator = xoroshiro128plus(Math.imul(seed | 0, 0x9e3779b1) ^ hashName(name));
  let spareNormal: number | null = null;
  const uniform = (): number => uniformFloat64(generator);
  return {
    uniform,
    integer: (bound) => uniformInt(generator, 0, bound - 1),
    sign: () => (generator.next() < 0 ? -1 : 1),
    normal: () => {
      if (spareNormal !== null) {
        const value = spareNormal;
        spareNormal = null;
        return value;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      const angle = 2 * Math.PI * uniform();
      spareNormal = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
  };
}

/** A uniformly random permutation of 0..length-1 (Fisher-Yates). */
export function permutation(length: number, random: RandomStream): Int32Array {
  const order = Int32Array.from({ length }, (_, index) => index);
  for (let i = length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    const swapped = order[i];
    order[i] = order[j];
    order[j] = swapped;
  }
  return order;
}
