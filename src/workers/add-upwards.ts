/** A worker's sum over a node, added to what others have computed, as far up the tree of shards as that goes. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { addVectors } from '../curvature/shard-sums.js';
import { pathTo, type ShardRange } from '../programs/shards.js';
import type { RunKeys } from './keys.js';
import { readMessage, type StoredSum, storedSumSchema, type VectorReference } from './messages.js';
import { storedSums } from './stored-sums.js';
import { getVector, MissingVectorError, putVector, referenceTo, removeVectors } from './vectors.js';

/** Milliseconds between looks for a sum that is coming. */
const COMING_MILLISECONDS = 50;

/** A sum over a node, on this machine. */
export interface NodeSum {
  /** Null for products. */
  loss: number | null;
  vectors: Float32Array[];
}

/** Where sums of a run are added. */
export interface AddingPlace {
  redis: Redis;
  keys: RunKeys;
  /** The name of the sum over all shards. */
  sum: string;
  shards: number;
  dimension: number;
}

/** Two siblings as one, left plus right whichever is own; changes the left one. */
function added(left: NodeSum, right: NodeSum): NodeSum {
  return {
    loss: left.loss === null || right.loss === null ? null : left.loss + right.loss,
    vectors: addVectors(left.vectors, right.vectors),
  };
}

/** @throws MissingVectorError for a sum that is not there, or not as large as an own one */
async function readSum(
  { redis, keys, dimension }: AddingPlace,
  text: string,
  like: NodeSum,
): Promise<NodeSum> {
  const stored = readMessage(storedSumSchema, text);
  if (
    stored === null ||
    stored.vectors.length !== like.vectors.length ||
    (stored.loss === null) !== (like.loss === null)
  ) {
    throw new MissingVectorError('a sum is not as it should be');
  }
  const vectors: Float32Array[] = [];
  for (const reference of stored.vectors) {
    vectors.push(await getVector(redis, keys, reference, dimension));
  }
  return { loss: stored.loss === null ? null : Number(stored.loss), vectors };
}

/**
 * Adds a sum over a node to that of its sibling, if it is at the server, the sum of both to that of theirs, and so on;
 * stores what comes of it, and removes what is in it. A sum that is there already, alone or in another, is dropped: it
 * has the same bits.
 *
 * @param own its vectors may be changed
 * @param name of what is stored, together with the node
 */
export async function addUpwards(
  place: AddingPlace,
  own: { node: ShardRange; sum: NodeSum },
  name: string,
): Promise<void> {
  const { redis, keys, shards } = place;
  const sums = storedSums(redis, keys, place.sum, shards);
  let { node, sum } = own;
  const within: { node: ShardRange; vectors: readonly VectorReference[] }[] = [];
  let stored: StoredSum | null = null;
  const removeStored = async (): Promise<void> => {
    await removeVectors(redis, keys, stored?.vectors ?? []);
    stored = null;
  };
  for (;;) {
    const answer = await sums.arrive(
      node,
      stored,
      within.map((part) => part.node),
    );
    if (answer.kind === 'unknown') {
      if (stored !== null) {
        await removeVectors(
          redis,
          keys,
          within.flatMap(({ vectors }) => vectors),
        );
        return;
      }
      const vectors = sum.vectors.map((vector, i) =>
        referenceTo(`${name}-${node.start}-${node.end}-${i}`, vector),
      );
      const at = node;
      for (const [i, vector] of sum.vectors.entries()) {
        await putVector(redis, keys, vectors[i].name, vector, () => sums.announce(at));
      }
      stored = { loss: sum.loss === null ? null : String(sum.loss), vectors };
      continue;
    }
    if (answer.kind === 'coming') {
      await sleep(COMING_MILLISECONDS);
      continue;
    }
    // Also where the sibling came while this one was being stored.
    await removeStored();
    if (answer.kind !== 'sibling') {
      return;
    }
    try {
      const other = await readSum(place, answer.text, sum);
      sum = node.start < answer.node.start ? added(sum, other) : added(other, sum);
      const { vectors = [] } = readMessage(storedSumSchema, answer.text) ?? {};
      within.push({ node: answer.node, vectors });
      node = pathTo(node, shards)!.at(-2)!;
    } catch (error) {
      if (!(error instanceof MissingVectorError)) {
        throw error;
      }
      // Of another who was faster, what both are in is known by now; else it is lost.
      await sums.forget(answer.node, answer.text);
    }
  }
}
