/** Structured removals: N of M neighbours, and whole output channels. */
import { type ChannelAxes, startsAlong, stridesOf } from './sparsity.js';

/** What `--patterns` names. */
export type Pattern =
  /** Of `group` neighbours along the inputs the `kept` largest stay. */
  | { kind: 'group'; name: string; kept: number; group: number }
  /** Of the output channels of each kernel, this part is set to 0: those of smallest L2 norm. */
  | { kind: 'channel'; name: string; share: number };

/** Part of the output channels that `channel` alone removes. */
const DEFAULT_CHANNEL_SHARE = 0.5;
/** Larger groups are no pattern that anything computes with. */
const LARGEST_GROUP = 64;

/**
 * Reads `2:4`, `channel` or `channel:30%`.
 *
 * @returns null for a text that is no pattern
 */
export function readPattern(text: string): Pattern | null {
  const groups = /^(\d{1,2}):(\d{1,2})$/.exec(text.trim());
  if (groups !== null) {
    const [kept, group] = [Number(groups[1]), Number(groups[2])];
    const name = `${kept}:${group}`;
    return kept >= 1 && kept < group && group <= LARGEST_GROUP ? { kind: 'group', name, kept, group } : null;
  }
  const channels = /^channel(?::(\d{1,2}(?:\.\d+)?)%)?$/.exec(text.trim());
  if (channels === null) {
    return null;
  }
  const percent = channels[1] === undefined ? 100 * DEFAULT_CHANNEL_SHARE : Number(channels[1]);
  return percent > 0 ? { kind: 'channel', name: `channel:${percent}%`, share: percent / 100 } : null;
}

/** A kernel in a flat vector. */
export interface PatternKernel {
  name: string;
  shape: readonly number[];
  offset: number;
  size: number;
  axes: ChannelAxes | null;
  /** Its output channels are those of the network: they are not removed. */
  givesOutputs: boolean;
}

/** A kernel that a pattern leaves as it is, and why. */
export interface LeftDense {
  name: string;
  /** Completes "it stays dense: ..". */
  reason: string;
}

/** Why a pattern cannot be put on a kernel; null where it can. */
function obstacle(pattern: Pattern, { shape, axes, givesOutputs }: PatternKernel): string | null {
  if (axes === null) {
    return 'its inputs and outputs are not known';
  }
  if (pattern.kind === 'group') {
    const inputs = shape[axes.input]!;
    return inputs % pattern.group === 0 ? null : `${inputs} inputs are no multiple of ${pattern.group}`;
  }
  if (givesOutputs) {
    return 'its output channels are those of the network';
  }
  const outputs = shape[axes.output]!;
  return removedChannels(pattern.share, outputs) > 0 ? null : `${outputs} output channels are too few`;
}

/** Guarded against a product that falls just short of a whole number. */
function removedChannels(share: number, channels: number): number {
  return Math.floor(share * channels + 1e-6);
}

/** Positions with the smallest measure first, ties by position. */
function ascending(positions: readonly number[], measure: (position: number) => number): number[] {
  return [...positions].sort((a, b) => measure(a) - measure(b) || a - b);
}

/** Sets the smallest of every group along the inputs to 0. */
function pruneGroups(
  values: Float32Array,
  shape: readonly number[],
  axis: number,
  kept: number,
  group: number,
) {
  const stride = stridesOf(shape)[axis]!;
  const length = shape[axis]!;
  for (const start of startsAlong(shape, axis)) {
    for (let first = 0; first < length; first += group) {
      const positions = Array.from({ length: group }, (_, i) => start + (first + i) * stride);
      const order = ascending(positions, (position) => Math.abs(values[position]!));
      for (const position of order.slice(0, group - kept)) {
        values[position] = 0;
      }
    }
  }
}

/** Sets the output channels of smallest L2 norm to 0. */
function pruneChannels(values: Float32Array, shape: readonly number[], axis: number, count: number) {
  const stride = stridesOf(shape)[axis]!;
  const starts = [...startsAlong(shape, axis)];
  const channels = Array.from({ length: shape[axis]! }, (_, channel) => channel);
  const squares = channels.map((channel) =>
    starts.reduce((sum, start) => sum + values[start + channel * stride]! ** 2, 0),
  );
  for (const channel of ascending(channels, (index) => squares[index]!).slice(0, count)) {
    for (const start of starts) {
      values[start + channel * stride] = 0;
    }
  }
}

/** Weights with a pattern. */
export interface PatternRemoval {
  pruned: Float32Array;
  /** Weights that the pattern takes, whatever their value: in groups that may be kept, zeros for zeros. */
  prunedWeights: number;
  leftDense: LeftDense[];
}

/**
 * Puts a pattern on the kernels of a flat vector, each for itself, along the axes that `inspect` judges patterns by.
 * A kernel that the pattern does not divide stays as it is.
 *
 * @param weights length D
 */
export function prunePattern(
  weights: Float32Array,
  kernels: readonly PatternKernel[],
  pattern: Pattern,
): PatternRemoval {
  const pruned = weights.slice();
  const leftDense: LeftDense[] = [];
  let prunedWeights = 0;
  for (const kernel of kernels) {
    const { name, shape, offset, size, axes } = kernel;
    const reason = obstacle(pattern, kernel);
    if (reason !== null || axes === null) {
      leftDense.push({ name, reason: reason ?? '' });
      continue;
    }
    const values = pruned.subarray(offset, offset + size);
    if (pattern.kind === 'group') {
      pruneGroups(values, shape, axes.input, pattern.kept, pattern.group);
      prunedWeights += (size / pattern.group) * (pattern.group - pattern.kept);
    } else {
      const outputs = shape[axes.output]!;
      const count = removedChannels(pattern.share, outputs);
      pruneChannels(values, shape, axes.output, count);
      prunedWeights += (size / outputs) * count;
    }
  }
  return { pruned, prunedWeights, leftDense };
}
