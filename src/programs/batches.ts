import type { Executor, ExecutorTensor } from '../compute/executor.js';
import { tfjsExecutor } from '../compute/tfjs-executor.js';
import type { ExampleSource } from '../network/example-source.js';
import { type ShardRange, shardBounds } from './shards.js';

/** One batch in the memory of an executor: inputs `x` [size, ...shape] and targets `y` [size, outputs]. */
export interface Batch {
  size: number;
  x: ExecutorTensor;
  y: ExecutorTensor;
}

/** A fixed sequence of batches that can be walked any number of times. */
export interface Batches {
  readonly executor: Executor;
  readonly source: ExampleSource;
  readonly examples: number;
  readonly batchSize: number;
  /** The examples are cut into so many shards first; no batch lies in two of them. */
  readonly shards: number;
  /**
   * Runs `visit` on every batch in order; the batch's tensors are valid during the visit only.
   *
   * @param range only on those of these shards
   */
  forEach(visit: (batch: Batch, index: number) => void | Promise<void>, range?: ShardRange): Promise<void>;
  /** Frees the tensors that are kept. */
  dispose(): void;
}

/** Where a batch is among the examples, and in which shard. */
interface BatchPlace {
  start: number;
  end: number;
  shard: number;
}

function batchPlaces(examples: number, batchSize: number, shards: number): BatchPlace[] {
  const bounds = shardBounds(examples, shards);
  const places: BatchPlace[] = [];
  for (let shard = 0; shard < shards; shard++) {
    for (let start = bounds[shard]; start < bounds[shard + 1]; start += batchSize) {
      places.push({ start, end: Math.min(bounds[shard + 1], start + batchSize), shard });
    }
  }
  return places;
}

/**
 * Cuts a source into batches, the last one, or the last of every shard, possibly smaller.
 *
 * @param outputs width of the targets
 * @param keepBytes batches are kept between walks as long as they fit into this
 *   many bytes; the rest is prepared anew at every walk
 * @param executor in whose memory they are
 * @param shards default 1
 */
export function createBatches(
  source: ExampleSource,
  outputs: number,
  {
    batchSize,
    keepBytes,
    executor = tfjsExecutor,
    shards = 1,
  }: { batchSize: number; keepBytes: number; executor?: Executor; shards?: number },
): Batches {
  const places = batchPlaces(source.count, batchSize, shards);
  const kept = new Map<number, Batch>();
  let keptBytes = 0;
  const release = ({ x, y }: Batch): void => executor.release({ x, y });
  return {
    executor,
    source,
    examples: source.count,
    batchSize,
    shards,
    forEach: async (visit, range = { start: 0, end: shards }) => {
      for (const [index, { start, end, shard }] of places.entries()) {
        if (shard < range.start || shard >= range.end) {
          continue;
        }
        const known = kept.get(start);
        if (known !== undefined) {
          await visit(known, index);
          continue;
        }
        const inputs = source.inputs(start, end);
        const targets = source.targets(start, end);
        const batch = {
          size: end - start,
          x: executor.tensor(inputs, [end - start, ...source.shape]),
          y: executor.tensor(targets, [end - start, outputs]),
        };
        const bytes = inputs.byteLength + targets.byteLength;
        const keeps = keptBytes + bytes <= keepBytes;
        if (keeps) {
          keptBytes += bytes;
          kept.set(start, batch);
        }
        try {
          await visit(batch, index);
        } finally {
          if (!keeps) {
            release(batch);
          }
        }
      }
    },
    dispose: () => {
      kept.forEach(release);
      kept.clear();
    },
  };
}

/** Operations after which a batch is large enough to hide the overhead of a call. */
const BATCH_OPERATIONS = 2e9;
/** Operations per weight after which it is large enough to hide that every batch returns a whole gradient. */
const BATCH_OPERATIONS_PER_WEIGHT = 8192;
export const SMALLEST_BATCH = 16;
/**
 * What a batch takes whatever its size is hidden then: products of MLPNet (784-40-20-10) over 10,000 examples on two
 * threads took 11 to 22 % less CPU time in batches of 2000 than of 1000, and no less in larger ones.
 */
const LARGEST_BATCH = 2048;

/**
 * The largest batch of compiled programs that is worth it, evened out over the examples.
 *
 * @param operationsPerExample of a curvature product
 * @param dimension D
 * @param smallest batches are at least so large, however much an example takes
 */
export function worthwhileBatchSize(
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
