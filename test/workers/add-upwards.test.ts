import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hasRedis } from '../../bench/redis-server.js';
import { addGradients } from '../../src/curvature/shard-sums.js';
import { type ShardRange, sumAlongTree } from '../../src/programs/shards.js';
import { type AddingPlace, addUpwards, type NodeSum } from '../../src/workers/add-upwards.js';
import { runKeys } from '../../src/workers/keys.js';
import { storedSums } from '../../src/workers/stored-sums.js';
import { getVector } from '../../src/workers/vectors.js';
import { startRedis } from './support.js';

const dimension = 7;
const shards = 6;
const leaves: ShardRange[] = Array.from({ length: shards }, (_, start) => ({ start, end: start + 1 }));

/** Sums of a shard whose bits depend on the order in which they are added. */
function leaf({ start }: ShardRange): NodeSum & { loss: number } {
  return {
    loss: 1 / (3 + start),
    vectors: [Float32Array.from({ length: dimension }, (_, i) => Math.sin(1 + start + i) / 3)],
  };
}

async function expected() {
  const asGradient = (node: ShardRange) => {
    const { loss, vectors } = leaf(node);
    return { loss, gradient: vectors[0] };
  };
  const known = (node: ShardRange) =>
    node.end - node.start === 1 ? Promise.resolve(asGradient(node)) : null;
  return sumAlongTree({ start: 0, end: shards }, known, addGradients);
}

class Killed extends Error {}

/** A client whose process is killed before it sends the command of this number. */
function killedBefore(redis: Redis, command: number): { redis: Redis; sent(): number } {
  let sent = 0;
  const client = new Proxy(redis, {
    get: (target, name) => {
      const value = Reflect.get(target, name);
      return typeof value !== 'function'
        ? value
        : (...given: unknown[]) => {
            if (sent >= command) {
              throw new Killed();
            }
            sent++;
            return Reflect.apply(value, target, given);
          };
    },
  });
  return { redis: client, sent: () => sent };
}

/** A server with a sum over all shards that is open, by name. */
async function openPlace() {
  const { port } = await startRedis();
  const redis = new Redis(port);
  onTestFinished(() => redis.disconnect());
  const keys = runKeys('0'.repeat(16));
  const begin = async (sum: string): Promise<AddingPlace> => {
    await storedSums(redis, keys, sum, shards).open();
    return { redis, keys, sum, shards, dimension };
  };
  const whole = async ({ sum }: AddingPlace) => {
    const { stored } = (await storedSums(redis, keys, sum, shards).whole()) ?? {};
    return (
      stored && {
        loss: Number(stored.loss),
        gradient: await getVector(redis, keys, stored.vectors[0], dimension),
      }
    );
  };
  return { redis, keys, begin, whole };
}

/** A worker that has computed a shard. */
const bring = (place: AddingPlace, node: ShardRange, name: string): Promise<void> =>
  addUpwards(place, { node, sum: leaf(node) }, name);

describe.skipIf(!hasRedis)('sums that workers add to those of others', () => {
  it('are the sum along the tree in whatever order they come, also twice, and leave one vector', async () => {
    const { redis, keys, begin, whole } = await openPlace();
    const orders = [
      [0, 1, 2, 3, 4, 5],
      [5, 3, 1, 0, 2, 4],
      [2, 2, 4, 0, 0, 5, 1, 4, 3, 3],
    ];
    for (const [i, order] of orders.entries()) {
      const place = await begin(`order-${i}`);
      for (const [j, shard] of order.entries()) {
        await bring(place, leaves[shard], `job-${j}`);
      }
      expect(await whole(place)).toEqual(await expected());
      expect(await redis.keys('*:vector:*')).toHaveLength(1);
      await storedSums(redis, keys, place.sum, shards).close();
      expect(await redis.keys('*')).toEqual([]);
    }
  });

  it('are stored for one of two siblings that are done at the same time', async () => {
    const { redis, keys, begin, whole } = await openPlace();
    let stored = 0;
    const counting = new Proxy(redis, {
      get: (target, name) => {
        stored += name === 'set' ? 1 : 0;
        return Reflect.get(target, name);
      },
    });
    const place = { ...(await begin('together')), redis: counting };
    await Promise.all(leaves.map((node, i) => bring(place, node, `job-${i}`)));
    expect(await whole(place)).toEqual(await expected());
    // One of each pair, and the whole.
    expect(stored).toBe(shards - 1 + 1);
    await storedSums(redis, keys, place.sum, shards).close();
  });

  it('are right when all come at the same time, each twice', async () => {
    const { redis, keys, begin, whole } = await openPlace();
    for (let round = 0; round < 20; round++) {
      const place = await begin(`round-${round}`);
      await Promise.all(
        [...leaves, ...leaves].map((node, i) => bring({ ...place, redis }, node, `job-${i}`)),
      );
      expect(await whole(place)).toEqual(await expected());
      await storedSums(redis, keys, place.sum, shards).close();
    }
  });

  it('survive workers that are killed before any of their commands', async () => {
    const { redis, keys, begin, whole } = await openPlace();
    let gaps = 0;
    // The last to come finds two siblings and adds twice; another finds none.
    for (const [killed, before] of [
      [3, [0, 1, 2, 4, 5]],
      [3, [4, 5]],
      [3, [0, 1, 2]],
    ] as const) {
      for (let command = 0; ; command++) {
        const place = await begin(`killed-${gaps++}`);
        for (const shard of before) {
          await bring(place, leaves[shard], `job-${shard}`);
        }
        const dying = killedBefore(redis, command);
        const ended = await bring({ ...place, redis: dying.redis }, leaves[killed], 'killed').then(
          () => true,
          (error: unknown) => {
            expect(error).toBeInstanceOf(Killed);
            return false;
          },
        );
        // Its job is given to another, and what was never begun is computed.
        const sums = storedSums(redis, keys, place.sum, shards);
        for (const node of [leaves[killed], ...leaves]) {
          if (await sums.wants(node)) {
            await bring(place, node, `again-${node.start}`);
          }
        }
        expect(await whole(place)).toEqual(await expected());
        await sums.close();
        for (const key of await redis.keys('*')) {
          expect(await redis.ttl(key)).toBeGreaterThan(0);
        }
        if (ended) {
          break;
        }
      }
    }
    expect(gaps).toBeGreaterThan(20);
  });

  it('are computed again where the server has lost some, and dropped once nobody waits for them', async () => {
    const { redis, keys, begin, whole } = await openPlace();
    const place = await begin('lost');
    const sums = storedSums(redis, keys, 'lost', shards);
    await bring(place, leaves[1], 'job-1');
    await redis.unlink(...(await redis.keys('*:vector:*')));
    await bring(place, leaves[2], 'job-2');
    const lost = leaves.filter(({ start }) => start !== 2);
    expect(await sums.uncovered(leaves)).toEqual(lost);
    for (const node of lost) {
      expect(await sums.wants(node)).toBe(true);
      await bring(place, node, 'again');
    }
    expect(await whole(place)).toEqual(await expected());
    await sums.close();
    expect(await sums.wants(leaves[0])).toBe(false);
    await bring(place, leaves[0], 'late');
    expect(await redis.keys('*')).toEqual([]);
  });
});
