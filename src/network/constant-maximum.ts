import { customGrad, max, type Tensor, zerosLike } from '../tfjs-core.js';

/**
 * The maximum over one axis, kept as an axis of size 1, as a constant: no
 * derivative flows through it.
 *
 * For shifts against overflow, which cancel in value and derivatives.
 */
export function constantMaximum<T extends Tensor>(x: T, axis: number): T {
  return customGrad((at) => ({
    value: max(at as T, axis, true) as T,
    gradFunc: () => zerosLike(at as T),
  }))(x) as T;
}
