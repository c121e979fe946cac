/** The first shard as several machines compute it: what shows whether their arithmetic is the same. */
import type { ShardSums } from '../curvature/shard-sums.js';
import { relativeDifference } from '../programs/rounding.js';
import { randomStream } from '../random.js';

/** Sums over the first shard, at the trained weights. */
export interface FirstShard {
  loss: number;
  /** Losses, logits, gradient, and the product with a fixed vector. */
  vectors: Float32Array[];
}

/** @param trained the trained weights, length D */
export async function firstShard(sums: ShardSums, trained: Float32Array): Promise<FirstShard> {
  const node = { start: 0, end: 1 };
  const random = randomStream(0, 'first shard');
  const vector = new Float32Array(trained.length);
  for (let i = 0; i < vector.length; i++) {
    vector[i] = random.normal();
  }
  const { losses, logits } = await sums.outputs('train', trained, node);
  const { loss, gradient } = await sums.gradient(trained, node);
  const [product] = await sums.products([vector], node);
  return { loss, vectors: [losses, logits, gradient, product] };
}

/** The largest relative difference of two machines' first shards; 0: the same bits. NaN where only one is finite. */
export function driftBetween(left: FirstShard, right: FirstShard): number {
  const differences = left.vectors.map((vector, i) => {
    const other = right.vectors[i];
    const same = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).equals(
      Buffer.from(other.buffer, other.byteOffset, other.byteLength),
    );
    return same ? 0 : Math.max(Number.MIN_VALUE, relativeDifference(vector, other));
  });
  const loss = Object.is(left.loss, right.loss)
    ? 0
    : Math.abs(left.loss - right.loss) / Math.max(Math.abs(left.loss), Math.abs(right.loss));
  return Math.max(loss, ...differences);
}
