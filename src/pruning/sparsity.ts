/** What zeros a weight has, and what they are worth: counts, patterns, empty and repeated channels. */
import { createHash } from 'node:crypto';

/** Which axes of a kernel are its outputs and its inputs. */
export interface ChannelAxes {
  output: number;
  input: number;
}

/**
 * The axes of a kernel's channels: torch and ONNX [out, in, ...], Keras [..., in, out].
 *
 * @param order null: it has none that is known
 */
export function channelAxes({
  order,
  shape,
}: {
  order: 'torch' | 'keras' | null;
  shape: readonly number[];
}): ChannelAxes | null {
  if (order === null) {
    return null;
  }
  return order === 'torch' ? { output: 0, input: 1 } : { output: shape.length - 1, input: shape.length - 2 };
}

/** At most `kept` of `group` neighbours along the inputs are not zero. */
export interface GroupPattern {
  kept: number;
  group: number;
}

/** Patterns that hardware and libraries compute with; 2:4 is that of NVIDIA's sparse tensor cores. */
export const groupPatterns: readonly GroupPattern[] = [
  { kept: 2, group: 4 },
  { kept: 1, group: 4 },
  { kept: 4, group: 8 },
];

/** How far a weight keeps a pattern. */
export interface PatternConformity extends GroupPattern {
  /** Groups that keep it. */
  conforming: number;
  groups: number;
}

/** The zeros of one weight. */
export interface WeightSparsity {
  zeros: number;
  patterns: PatternConformity[];
  channels: {
    /** Along the output axis. */
    outputs: number;
    zeroOutputs: number;
    /** Output channels that equal an earlier one, all-zero ones apart. */
    repeatedOutputs: number;
    /** Along the input axis. */
    inputs: number;
    zeroInputs: number;
  } | null;
}

/** Row-major strides of a shape. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  }
  return strides;
}

/** Positions of the elements that have index 0 along an axis, row-major. */
export function* startsAlong(shape: readonly number[], axis: number): Generator<number> {
  const stride = stridesOf(shape)[axis]!;
  const block = stride * shape[axis]!;
  const total = shape.reduce((product, size) => product * size, 1);
  for (let outer = 0; outer < total; outer += block) {
    for (let inner = 0; inner < stride; inner++) {
      yield outer + inner;
    }
  }
}

function conformities(
  values: ArrayLike<number>,
  shape: readonly number[],
  axis: number,
): PatternConformity[] {
  const stride = stridesOf(shape)[axis]!;
  const length = shape[axis]!;
  const patterns = groupPatterns.filter(({ group }) => length >= group);
  const result = patterns.map((pattern) => ({ ...pattern, conforming: 0, groups: 0 }));
  for (const start of startsAlong(shape, axis)) {
    for (const pattern of result) {
      for (let first = 0; first < length; first += pattern.group) {
        let nonzero = 0;
        for (let i = first; i < Math.min(first + pattern.group, length); i++) {
          nonzero += values[start + i * stride] === 0 ? 0 : 1;
        }
        pattern.groups++;
        pattern.conforming += nonzero <= pattern.kept ? 1 : 0;
      }
    }
  }
  return result;
}

/** How many channels along an axis are all zero, and how many equal an earlier one that is not. */
function channelCounts(
  values: Float32Array,
  shape: readonly number[],
  axis: number,
): { zero: number; repeated: number } {
  const stride = stridesOf(shape)[axis]!;
  const starts = [...startsAlong(shape, axis)];
  const channel = new Float32Array(starts.length);
  const seen = new Set<string>();
  let zero = 0;
  let repeated = 0;
  for (let index = 0; index < shape[axis]!; index++) {
    let isZero = true;
    starts.forEach((start, i) => {
      const value = values[start + index * stride]!;
      isZero &&= value === 0;
      channel[i] = value === 0 ? 0 : value; // one zero for both signs
    });
    if (isZero) {
      zero++;
      continue;
    }
    const digest = createHash('sha1').update(new Uint8Array(channel.buffer)).digest('base64');
    repeated += seen.has(digest) ? 1 : 0;
    seen.add(digest);
  }
  return { zero, repeated };
}

/**
 * The zeros of a weight, -0 among them.
 *
 * @param axes of a kernel; null where it has none that are known, which leaves patterns and channels out
 */
export function weightSparsity(
  values: Float32Array,
  shape: readonly number[],
  axes: ChannelAxes | null,
): WeightSparsity {
  let zeros = 0;
  for (const value of values) {
    zeros += value === 0 ? 1 : 0;
  }
  if (axes === null || values.length === 0) {
    return { zeros, patterns: [], channels: null };
  }
  const outputs = channelCounts(values, shape, axes.output);
  const inputs = channelCounts(values, shape, axes.input);
  return {
    zeros,
    patterns: conformities(values, shape, axes.input),
    channels: {
      outputs: shape[axes.output]!,
      zeroOutputs: outputs.zero,
      repeatedOutputs: outputs.repeated,
      inputs: shape[axes.input]!,
      zeroInputs: inputs.zero,
    },
  };
}

/** Bytes of an index of ONNX's sparse tensors (int64). */
const INDEX_BYTES = 8;

/** What numbers of which some are zero take in different forms, and where the forms begin to pay. */
export interface StoredSizes {
  dense: number;
  /** Values and int64 positions, as ONNX stores sparse tensors. */
  positions: number;
  /** A bit for each number, and the values of those that are not zero. */
  bitmask: number;
}

/**
 * @param elements how many numbers
 * @param nonzero how many are not zero
 * @param elementBytes of one number
 */
export function storedSizes(elements: number, nonzero: number, elementBytes: number): StoredSizes {
  return {
    dense: elements * elementBytes,
    positions: nonzero * (elementBytes + INDEX_BYTES),
    bitmask: Math.ceil(elements / 8) + nonzero * elementBytes,
  };
}

/**
 * Densities (kept shares) below which the forms are smaller than dense numbers;
 * of four bytes: 1/3 and 31/32.
 */
export function breakEvenDensity(elementBytes: number): { positions: number; bitmask: number } {
  return { positions: elementBytes / (elementBytes + INDEX_BYTES), bitmask: 1 - 1 / (8 * elementBytes) };
}
