/** Where the numbers of a new network begin. */
import { elementCount } from '../checkpoint/checkpoint.js';

/** Numbers that are drawn for so many inputs of each output, or one number. */
export type InitialValues = { kind: 'normal'; fanIn: number } | { kind: 'constant'; value: number };

/**
 * Of a weight of a layers model: kernels and embeddings are drawn, scales and moving variances begin at 1, all else at 0.
 *
 * @param name as the layer calls it
 * @param shape outputs last
 * @param isKernel whether it is a kernel that can be pruned
 */
export function layerInitialValues(name: string, shape: readonly number[], isKernel: boolean): InitialValues {
  return isKernel || /embeddings$/.test(name)
    ? { kind: 'normal', fanIn: elementCount(shape.slice(0, -1)) }
    : { kind: 'constant', value: /gamma|variance/.test(name) ? 1 : 0 };
}
