/** Values that are often mishandled, and choices among them. */

export const INTERESTING = [
  0n,
  1n,
  2n,
  127n,
  128n,
  255n,
  256n,
  32767n,
  65535n,
  65536n,
  20_000_000n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

export const NUMBERS = [0, -0, -1, 0.5, 1e8, 2 ** 31, 2 ** 53, 2 ** 53 + 2, 1e300, -1e300, 5e-324, 1e-8];

export const DEPTHS = [3, 40, 600, 20_000];

export function pick(list, random) {
  return list[random.integer(list.length)];
}

/** A number of changes: mostly one, seldom many. */
export function few(random, most) {
  let count = 1;
  while (count < most && random.uniform() < 0.4) count++;
  return count;
}
