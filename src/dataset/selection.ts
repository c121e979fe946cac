/** Which examples of a split take part. */

import { InputError } from '../errors.js';
import { permutation, randomStream } from '../random.js';

/**
 * Indices of the examples to use, ascending, so that they are read in file order.
 *
 * @param available number of examples in the split
 * @param options.count how many; `all`, or more than are available, selects every example
 * @param options.sample `random`: a uniformly drawn subset that the seed determines; `first`: the first ones
 * @throws InputError when the count is not a positive integer
 */
export function selectExamples(
  available: number,
  options: { count: number | 'all'; sample: 'random' | 'first'; seed: number },
): Int32Array {
  const { count, sample, seed } = options;
  if (count !== 'all' && !(Number.isInteger(count) && count > 0)) {
    throw new InputError(
      'dataset/example-count',
      `number of examples ${count}: must be a positive integer or "all"; see --examples and --test-examples`,
    );
  }
  if (count === 'all' || count >= available || sample === 'first') {
    const selected = count === 'all' ? available : Math.min(count, available);
    return Int32Array.from({ length: selected }, (_, index) => index);
  }
  return permutation(available, randomStream(seed, 'dataset/examples')).slice(0, count).sort();
}
