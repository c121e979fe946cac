import type { NativeOptions, NativeTensor } from '../compute/compile/native-session.js';
import type { ExampleSource } from '../network/batches.js';
import type { LossName } from '../network/loss.js';
import type { Network } from '../network/network.js';

/** Operations after which a batch is large enough to hide the overhead of a call. */
const BATCH_OPERATIONS = 2e9;
/** Operations per weight after which it is large enough to hide that every batch returns a whole gradient. */
const BATCH_OPERATIONS_PER_WEIGHT = 8192;
export const SMALLEST_BATCH = 16;
const LARGEST_BATCH = 1024;

/** A network, its loss and where its native programs run. */
export interface NativeSetting {
  network: Network;
  loss: LossName;
  options: NativeOptions;
}

/** Inputs and targets of a batch as native tensors. */
export interface NativeBatch {
  size: number;
  x: NativeTensor;
  y: NativeTensor;
}

/** A fixed sequence of batches that can be walked any number of times. */
export interface NativeBatches {
  readonly examples: number;
  forEach(visit: (batch: NativeBatch, index: number) => Promise<void>): Promise<void>;
}

/** A float32 tensor over the given numbers, which are not copied. */
export function nativeTensor(
  { options }: NativeSetting,
  data: Float32Array,
  shape: readonly number[],
): NativeTensor {
  return new options.runtime.Tensor('float32', data, [...shape]);
}

/**
 * The largest batch that is worth it, evened out over the examples.
 *
 * @param operationsPerExample of a curvature product
 * @param dimension D
 * @param smallest batches are at least so large, however much an example takes
 */
export function nativeBatchSize(
  examples: number,
  operationsPerExample: number,
  dimension: number,
  smallest: number = SMALLEST_BATCH,
): number {
  const operations = Math.max(BATCH_OPERATIONS, BATCH_OPERATIONS_PER_WEIGHT * dimension);
  const wanted = Math.ceil(operations / Math.max(1, operationsPerExample));
  const largest = Math.min(examples, LARGEST_BATCH, Math.max(smallest, wanted));
  return Math.ceil(examples / Math.ceil(examples / largest));
}

/**
 * Cuts a source into batches of native tensors.
 *
 * @param keepBytes batches are kept between walks as long as they fit; the
 *   rest is prepared anew at every walk
 */
export function nativeBatches(
  setting: NativeSetting,
  source: ExampleSource,
  batchSize: number,
  keepBytes: number,
): NativeBatches {
  const kept = new Map<number, NativeBatch>();
  let keptBytes = 0;
  const prepare = (start: number): NativeBatch => {
    const end = Math.min(source.count, start + batchSize);
    const inputs = source.inputs(start, end);
    const batch = {
      size: end - start,
      x: nativeTensor(setting, inputs, [end - start, ...source.shape]),
      y: nativeTensor(setting, source.targets(start, end), [end - start, setting.network.outputs]),
    };
    if (keptBytes + inputs.byteLength <= keepBytes) {
      keptBytes += inputs.byteLength;
      kept.set(start, batch);
    }
    return batch;
  };
  return {
    examples: source.count,
    forEach: async (visit) => {
      for (let start = 0, index = 0; start < source.count; start += batchSize, index++) {
        await visit(kept.get(start) ?? prepare(start), index);
      }
    },
  };
}
