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

/** Adds the outputs `g0`, `g1`, .. of a program to a flat float64 vector. */
export function accumulate(
  executor: Executor,
  network: Network,
  outputs: ExecutorTensors,
  total: Float64Array,
): void {
  const parts = collect(outputs, 'g', network.prunable.length);
  network.prunable.forEach(({ offset, size }, index) => {
    addTo(total, offset, executor.values(parts[index]), size);
  });
}

/** A loop of its own: inside of the callback it takes a tenth more time. */
function addTo(total: Float64Array, offset: number, values: Float32Array, size: number): void {
  for (let i = 0; i < size; i++) {
    total[offset + i] += values[i];
  }
}

/** Multiplies a vector in place. */
export function scaled(total: Float64Array, factor: number): Float64Array {
  for (let i = 0; i < total.length; i++) {
    total[i] *= factor;
  }
  return total;
}
