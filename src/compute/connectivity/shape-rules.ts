import { elementCount, type GraphNode } from '../compile/graph.js';
import { axes, input } from '../compile/kernel-inputs.js';
import { NotCompilableError } from '../compile/trace.js';
import { filled, type Lifetimes, longerOf, mapLifetimes, NEVER, shorter } from './lifetimes.js';
import { longestAlong } from './reduction-rules.js';
import type { Rule, RuleCall } from './rule.js';
import { axisOffsets, moved, permutedSources, type Sources, sourcesByAxis, strides } from './sources.js';

/** An axis attribute, counted from the front. */
function axisOf(node: GraphNode, rank: number): number {
  const axis = (node.attributes.axis as number | undefined) ?? 0;
  return axis < 0 ? axis + rank : axis;
}

/** The same elements in the same order. */
const sameOrder: Rule = ({ node, lifetimes }) => [lifetimes(Object.values(node.inputs)[0])];

/** A rule that arranges each axis of its input by itself. */
const arranged =
  (positionsOf: (call: RuleCall, axis: number, extent: number) => (index: number) => number): Rule =>
  (call) => {
    const id = input(call.node, 'x');
    const from = call.shape(id);
    const step = strides(from);
    const sources = sourcesByAxis(
      call
        .shape(call.node.outputs[0])
        .map((extent, axis) => axisOffsets(extent, step[axis], positionsOf(call, axis, from[axis]))),
    );
    return [moved(call.lifetimes(id), sources)];
  };

const transpose: Rule = ({ node, lifetimes, shape }) => {
  const id = input(node, 'x');
  return [moved(lifetimes(id), permutedSources(shape(id), node.attributes.perm as number[]))];
};

const slice = arranged(({ node }, axis) => {
  const begin = (node.attributes.begin as number[])[axis] ?? 0;
  return (index) => begin + index;
});

const tile = arranged((_, __, extent) => (index) => index % extent);

const reverse = arranged(({ node, shape }, axis, extent) => {
  const over = axes(node, shape(node.outputs[0]).length, 'dims');
  return over.includes(axis) ? (index) => extent - 1 - index : (index) => index;
});

/** What is put around is zero, or some other constant. */
const pad: Rule = (call) => {
  const { paddings, constantValue = 0 } = call.node.attributes as {
    paddings: [number, number][];
    constantValue?: number;
  };
  const id = input(call.node, 'x');
  const from = call.shape(id);
  const step = strides(from);
  const inside = (index: number, axis: number): number => {
    const position = index - paddings[axis][0];
    return position < from[axis] ? position : -1;
  };
  const sources = sourcesByAxis(
    call
      .shape(call.node.outputs[0])
      .map((extent, axis) => axisOffsets(extent, step[axis], (index) => inside(index, axis))),
  );
  const { depends, nonZero } = moved(call.lifetimes(id), sources);
  const around = constantValue === 0 ? NEVER : call.always;
  return [{ depends, nonZero: nonZero.map((count, index) => (sources[index] < 0 ? around : count)) }];
};

/** Joins tensors along an axis; those of other shapes than the axis' extent as if they had it. */
function joined(call: RuleCall, axis: number, extents: readonly number[]): Lifetimes {
  const shape = call.shape(call.node.outputs[0]);
  const inner = elementCount(shape.slice(axis + 1));
  const outer = elementCount(shape.slice(0, axis));
  const parts = Object.values(call.node.inputs).map(call.lifetimes);
  const join = (countsOf: (part: Lifetimes) => Int32Array | null): Int32Array => {
    const result = filled(elementCount(shape), NEVER);
    let before = 0;
    parts.forEach((part, index) => {
      const counts = countsOf(part);
      const length = extents[index] * inner;
      for (let block = 0; counts !== null && block < outer; block++) {
        result.set(
          counts.subarray(block * length, (block + 1) * length),
          block * shape[axis] * inner + before,
        );
      }
      before += length;
    });
    return result;
  };
  return {
    depends: parts.every(({ depends }) => depends === null) ? null : join(({ depends }) => depends),
    nonZero: join(({ nonZero }) => nonZero),
  };
}

const concat: Rule = (call) => {
  const axis = axisOf(call.node, call.shape(call.node.outputs[0]).length);
  return [
    joined(
      call,
      axis,
      Object.values(call.node.inputs).map((id) => call.shape(id)[axis]),
    ),
  ];
};

const pack: Rule = (call) => {
  const axis = axisOf(call.node, call.shape(call.node.outputs[0]).length);
  return [
    joined(
      call,
      axis,
      Object.values(call.node.inputs).map(() => 1),
    ),
  ];
};

/** Cuts a tensor along an axis into parts of given extents. */
function cut(call: RuleCall, name: string, extentsOf: (axis: number) => number[]): Lifetimes[] {
  const id = input(call.node, name);
  const shape = call.shape(id);
  const axis = axisOf(call.node, shape.length);
  const step = strides(shape);
  let begin = 0;
  return extentsOf(axis).map((size) => {
    const first = begin;
    begin += size;
    const sources = sourcesByAxis(
      shape.map((extent, at) =>
        at === axis ? axisOffsets(size, step[at], (index) => first + index) : axisOffsets(extent, step[at]),
      ),
    );
    return moved(call.lifetimes(id), sources);
  });
}

const split: Rule = (call) =>
  cut(call, 'x', (axis) => call.node.outputs.map((output) => call.shape(output)[axis]));

const unpack: Rule = (call) => cut(call, 'value', () => call.node.outputs.map(() => 1));

/** Sources of slices along an axis; the same slice everywhere for an index that is not known. */
function gatherSources(shape: readonly number[], axis: number, indices: ArrayLike<number>): Sources {
  const step = strides(shape);
  return sourcesByAxis(
    shape.map((extent, at) =>
      at === axis
        ? axisOffsets(indices.length, step[at], (index) => indices[index])
        : axisOffsets(extent, step[at]),
    ),
  );
}

/**
 * Slices of a tensor by index. Where the indices are not known, every slice
 * may be taken: an element hangs on all that might stand there, and on its
 * index where one of those is not zero.
 */
const gather: Rule = ({ node, lifetimes, shape, constant }) => {
  if (((node.attributes.batchDims as number | undefined) ?? 0) !== 0) {
    throw new NotCompilableError(`${node.kernel} with batch dimensions`);
  }
  const [id, indices] = [input(node, 'x'), input(node, 'indices')];
  const from = shape(id);
  const axis = axisOf(node, from.length);
  const count = elementCount(shape(indices));
  const known = constant(indices);
  if (known !== undefined) {
    const places = known.kind === 'uniform' ? new Array<number>(count).fill(known.value) : known.data;
    return [moved(lifetimes(id), gatherSources(from, axis, places))];
  }
  const any = mapLifetimes(lifetimes(id), (counts) => longestAlong(counts, from, [axis]));
  const slice = from.map((extent, at) => (at === axis ? 1 : extent));
  const spread = moved(any, gatherSources(slice, axis, new Array<number>(count).fill(0)));
  const { depends } = lifetimes(indices);
  if (depends === null) {
    return [spread];
  }
  const inner = elementCount(from.slice(axis + 1));
  const chosen = spread.nonZero.map((_, index) => depends[Math.floor(index / inner) % count]);
  return [{ depends: longerOf(spread.depends, shorter(chosen, spread.nonZero)), nonZero: spread.nonZero }];
};

const constantly =
  (count: (call: RuleCall) => number): Rule =>
  (call) => [{ depends: null, nonZero: filled(elementCount(call.shape(call.node.outputs[0])), count(call)) }];

/** Rules of kernels that arrange numbers anew, or make them from nothing. */
export const shapeRules: Readonly<Record<string, Rule>> = {
  Reshape: sameOrder,
  ExpandDims: sameOrder,
  Transpose: transpose,
  Slice: slice,
  Tile: tile,
  Reverse: reverse,
  PadV2: pad,
  Concat: concat,
  Pack: pack,
  SplitV: split,
  Unpack: unpack,
  GatherV2: gather,
  ZerosLike: constantly(() => NEVER),
  OnesLike: constantly(({ always }) => always),
  Fill: constantly(({ node, always }) => (node.attributes.value === 0 ? NEVER : always)),
  Range: constantly(({ always }) => always),
};
