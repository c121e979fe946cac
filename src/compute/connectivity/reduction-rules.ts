import { elementCount } from '../compile/graph.js';
import { axes, input } from '../compile/kernel-inputs.js';
import { filled, mapLifetimes, NEVER, shorter } from './lifetimes.js';
import type { Rule } from './rule.js';
import { axisOffsets, type Sources, sourcesByAxis, strides, taken } from './sources.js';

/** For each element of a tensor, in which element of the result it ends when axes are reduced to one. */
function reducedTargets(shape: readonly number[], over: readonly number[]): Sources {
  const kept = shape.map((extent, axis) => (over.includes(axis) ? 1 : extent));
  const step = strides(kept);
  return sourcesByAxis(
    shape.map((extent, axis) => axisOffsets(extent, over.includes(axis) ? 0 : step[axis])),
  );
}

/** The longest count among the elements that end in the same target. */
function longestIn(counts: Int32Array, targets: Sources, size: number): Int32Array {
  const result = filled(size, NEVER);
  targets.forEach((target, index) => {
    result[target] = Math.max(result[target], counts[index]);
  });
  return result;
}

/** The longest count along axes. */
export function longestAlong(
  counts: Int32Array,
  shape: readonly number[],
  over: readonly number[],
): Int32Array {
  const size = elementCount(shape.filter((_, axis) => !over.includes(axis)));
  return longestIn(counts, reducedTargets(shape, over), size);
}

/** A sum, mean or extremum hangs on all that it reads. */
const reduction =
  (attribute: string): Rule =>
  ({ node, lifetimes, shape }) => {
    const id = input(node, 'x');
    const over = axes(node, shape(id).length, attribute);
    return [mapLifetimes(lifetimes(id), (counts) => longestAlong(counts, shape(id), over))];
  };

/** A product along axes is zero as soon as one of its factors is. */
const productAlong: Rule = ({ node, lifetimes, shape, always }) => {
  const id = input(node, 'x');
  const targets = reducedTargets(shape(id), axes(node, shape(id).length));
  const size = elementCount(shape(node.outputs[0]));
  const { depends, nonZero } = lifetimes(id);
  const shortest = filled(size, always);
  targets.forEach((target, index) => {
    shortest[target] = Math.min(shortest[target], nonZero[index]);
  });
  return [{ depends: depends && shorter(longestIn(depends, targets, size), shortest), nonZero: shortest }];
};

/** Every output of a softmax hangs, through the sum that normalises, on all that it is over: the last axis. */
const softmax: Rule = ({ node, lifetimes, shape, always }) => {
  const id = input(node, 'logits');
  const { depends, nonZero } = lifetimes(id);
  const targets = reducedTargets(shape(id), [shape(id).length - 1]);
  const rows = elementCount(shape(id).slice(0, -1));
  return [
    {
      depends: depends && taken(longestIn(depends, targets, rows), targets),
      nonZero: filled(nonZero.length, always),
    },
  ];
};

/** Rules of kernels that reduce axes to one number. */
export const reductionRules: Readonly<Record<string, Rule>> = {
  Sum: reduction('axis'),
  Mean: reduction('axis'),
  Max: reduction('reductionIndices'),
  Min: reduction('axis'),
  Any: reduction('axis'),
  Prod: productAlong,
  All: productAlong,
  Softmax: softmax,
  LogSoftmax: softmax,
};
