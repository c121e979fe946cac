/** Flat vectors over the prunable weights, and the tensors that programs take and give in their place. */
import type { Executor, ExecutorTensors } from '../compute/executor.js';
import { collect } from '../compute/tensor-program.js';
import type { Network } from '../network/network.js';

/**
 * Flat weights (or a vector of their size) as the inputs `prefix0`, `prefix1`, .. of a program.
 *
 * @param flat length D; float32 numbers must not change while the tensors are in use
 * @returns tensors owned by the caller
 */
export function flatInputs(
  executor: Executor,
  network: Network,
  prefix: string,
  flat: Float32Array | Float64Array,
): ExecutorTensors {
  return Object.fromEntries(
    network.prunable.map(({ offset, size, shape }, index) => {
      const part = flat.subarray(offset, offset + size);
      const data = part instanceof Float32Array ? part : new Float32Array(part);
      return [`${prefix}${index}`, executor.tensor(data, shape)];
    }),
  );
}

/** Multiplies a vector in place. */
export function scaled(total: Float64Array, factor: number): Float64Array {
  for (let i = 0; i < total.length; i++) {
    total[i] *= factor;
  }
  return total;
}

/** A sum over batches of the outputs `g0`, `g1`, .. of a program, flat, each times a factor. */
export interface FlatSum {
  /** Adds the outputs of one batch. */
  add(outputs: ExecutorTensors): void;
  /** Length D. */
  readonly values: Float64Array;
}

/**
 * A sum to add batches to: with 1 / examples as the factor their mean. Each batch is one pass over the vector, and the
 * first one writes it: passes of their own for zeros and the factor take more than twice as long (4 million weights, one
 * batch, measured).
 */
export function flatSum(
  executor: Pick<Executor, 'values'>,
  network: Pick<Network, 'prunable' | 'dimension'>,
  factor = 1,
): FlatSum {
  const values = new Float64Array(network.dimension);
  let isFirst = true;
  return {
    values,
    add: (outputs) => {
      const parts = collect(outputs, 'g', network.prunable.length);
      for (const [index, { offset, size }] of network.prunable.entries()) {
        (isFirst ? writeScaled : addScaled)(values, offset, executor.values(parts[index]), size, factor);
      }
      isFirst = false;
    },
  };
}

// Unrolled by hand, as V8 does not: long vectors take 0.5 to 0.7 of the time so.

/** target[offset + i] = part[i] * factor */
function writeScaled(
  target: Float64Array,
  offset: number,
  part: Float32Array,
  size: number,
  factor: number,
): void {
  const whole = size & ~3;
  for (let i = 0, at = offset; i < whole; i += 4, at += 4) {
    target[at] = part[i] * factor;
    target[at + 1] = part[i + 1] * factor;
    target[at + 2] = part[i + 2] * factor;
    target[at + 3] = part[i + 3] * factor;
  }
  for (let i = whole; i < size; i++) {
    target[offset + i] = part[i] * factor;
  }
}

/** target[offset + i] += part[i] * factor */
function addScaled(
  target: Float64Array,
  offset: number,
  part: Float32Array,
  size: number,
  factor: number,
): void {
  const whole = size & ~3;
  for (let i = 0, at = offset; i < whole; i += 4, at += 4) {
    target[at] += part[i] * factor;
    target[at + 1] += part[i + 1] * factor;
    target[at + 2] += part[i + 2] * factor;
    target[at + 3] += part[i + 3] * factor;
  }
  for (let i = whole; i < size; i++) {
    target[offset + i] += part[i] * factor;
  }
}
