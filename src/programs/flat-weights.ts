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

/** The mean over all examples of the outputs `g0`, `g1`, .. of a program, which are sums over a batch. */
export interface BatchMean {
  /** Adds the outputs of one batch; every batch once, in any order. */
  add(outputs: ExecutorTensors): void;
  /** Flat, length D; the mean when all batches are added. */
  readonly values: Float64Array;
}

/**
 * A mean to add batches to. Each batch is one pass over the vector, the first
 * writes and the last divides: passes of their own for zeros and division take more than
 * twice as long (4 million weights, one batch, measured).
 */
export function batchMean(
  {
    executor,
    examples,
    batchSize,
  }: { executor: Pick<Executor, 'values'>; examples: number; batchSize: number },
  network: Pick<Network, 'prunable' | 'dimension'>,
): BatchMean {
  const values = new Float64Array(network.dimension);
  const batches = Math.ceil(examples / batchSize);
  let added = 0;
  return {
    values,
    add: (outputs) => {
      const isFirst = added === 0;
      added++;
      const factor = added === batches ? 1 / examples : 1;
      const parts = collect(outputs, 'g', network.prunable.length);
      for (const [index, { offset, size }] of network.prunable.entries()) {
        const part = executor.values(parts[index]);
        if (isFirst) {
          writeScaled(values, offset, part, size, factor);
        } else {
          addAndScale(values, offset, part, size, factor);
        }
      }
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

/** target[offset + i] = (target[offset + i] + part[i]) * factor */
function addAndScale(
  target: Float64Array,
  offset: number,
  part: Float32Array,
  size: number,
  factor: number,
): void {
  const whole = size & ~3;
  for (let i = 0, at = offset; i < whole; i += 4, at += 4) {
    target[at] = (target[at] + part[i]) * factor;
    target[at + 1] = (target[at + 1] + part[i + 1]) * factor;
    target[at + 2] = (target[at + 2] + part[i + 2]) * factor;
    target[at + 3] = (target[at + 3] + part[i + 3]) * factor;
  }
  for (let i = whole; i < size; i++) {
    target[offset + i] = (target[offset + i] + part[i]) * factor;
  }
}
