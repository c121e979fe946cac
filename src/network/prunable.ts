import picomatch from 'picomatch';
import { InputError } from '../errors.js';

/** Layers whose matrices are statistics or tables, not kernels. */
const NORMALIZATION_LAYER = /Normalization/;
const KERNEL_NAME = /(^|\/|_)kernel$/;

/**
 * Which weights of a checkpoint are pruned by default: kernels of rank two or
 * more; not biases, not normalisation layers.
 */
export function isPrunable(weight: { name: string; shape: readonly number[] }, layerClass = ''): boolean {
  return weight.shape.length >= 2 && KERNEL_NAME.test(weight.name) && !NORMALIZATION_LAYER.test(layerClass);
}

/**
 * A predicate on weight names from `--include` and `--exclude` globs; `*`
 * matches slashes too.
 *
 * @param names of the weights that could be pruned
 * @throws InputError for a glob that matches none of them
 */
export function weightFilter(
  include: readonly string[],
  exclude: readonly string[],
  names: readonly string[],
): (name: string) => boolean {
  const matcher = (option: string, glob: string): ((name: string) => boolean) => {
    const matches = picomatch(glob, { bash: true });
    if (!names.some((name) => matches(name))) {
      throw new InputError(
        'network/glob',
        `${option} ${JSON.stringify(glob)} matches no prunable weight; there are ${names.slice(0, 12).join(', ')}${names.length > 12 ? ', ...' : ''}`,
      );
    }
    return matches;
  };
  const included = include.map((glob) => matcher('--include', glob));
  const excluded = exclude.map((glob) => matcher('--exclude', glob));
  return (name) =>
    (included.length === 0 || included.some((matches) => matches(name))) &&
    !excluded.some((matches) => matches(name));
}
