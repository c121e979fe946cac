/**
 * Sums over nodes of the tree of shards that lie at the server, and which of two workers adds siblings.
 *
 * What is known of a sum over all shards is a hash of the nodes whose sums lie there. A node comes into it only while
 * none above it is there, and not its sibling: who finds the sibling adds it, and comes back with the node above. Every
 * such step is one script, which the server carries out whole. So the shards that are covered only ever become more,
 * whoever is killed when, and once all are, the hash has the sum over all.
 *
 * Workers that are equally fast are done at the same time. So that not both of two siblings are stored, the first says
 * that its sum is coming, for a few seconds, and the other waits for it.
 */
import type { Redis } from 'ioredis';
import { halves, pathTo, type ShardRange } from '../programs/shards.js';
import { LIFETIME_SECONDS, type RunKeys } from './keys.js';
import { MOST_MESSAGE_BYTES, readMessage, type StoredSum, storedSumSchema } from './messages.js';
import { prolongVectors, removeVectors } from './vectors.js';

/** There as long as the sum over all shards is computed. */
const OPEN = 'open';

/** Seconds for which a sum that is being stored is waited for, after every chunk. */
const COMING_SECONDS = 10;

/**
 * KEYS: the hash, that the node is coming, that its sibling is. ARGV: lifetime, most bytes, message of the node, '' for
 * none, or '?' to ask only, the node, its sibling or '', number of nodes above, these, nodes within.
 */
const ARRIVE = `
local sums = KEYS[1]
local lifetime, most, message, node, sibling = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local above = tonumber(ARGV[6])
if redis.call('HEXISTS', sums, '${OPEN}') == 0 then
  return {'over'}
end
if redis.call('HEXISTS', sums, node) == 1 then
  return {'known'}
end
for i = 7, 6 + above do
  if redis.call('HEXISTS', sums, ARGV[i]) == 1 then
    return {'known'}
  end
end
if message == '?' then
  return {'unknown'}
end
if sibling ~= '' then
  local size = redis.call('HSTRLEN', sums, sibling)
  if size > 0 and size <= most then
    return {'sibling', redis.call('HGET', sums, sibling)}
  end
  if message == '' and redis.call('EXISTS', KEYS[3]) == 1 then
    return {'coming'}
  end
end
if message == '' then
  redis.call('SET', KEYS[2], '', 'EX', ${COMING_SECONDS})
else
  redis.call('DEL', KEYS[2])
  redis.call('HSET', sums, node, message)
  for i = 7 + above, #ARGV do
    redis.call('HDEL', sums, ARGV[i])
  end
  redis.call('EXPIRE', sums, lifetime)
end
return {'unknown'}
`;

/** ARGV: a node, its message. */
const FORGET = `
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  redis.call('HDEL', KEYS[1], ARGV[1])
end
`;

const fieldOf = ({ start, end }: ShardRange): string => `${start}-${end}`;

/** The sums that are known of a sum over all shards. */
export interface StoredSums {
  /** Lets workers store sums; what is there stays. */
  open(): Promise<void>;
  /**
   * What is to be done with a sum over a node: `over`, nothing, as the sum over all shards is not computed any more;
   * `known`, nothing, as it is there, or within another that is; `sibling`, to be added to that of its sibling; `coming`,
   * to wait, as that is being stored; `unknown`: to be stored, which was done where it was given.
   *
   * @param stored the sum over the node, its vectors at the server; null: they are not there
   * @param within nodes whose sums are in it, which are forgotten once it is stored
   */
  arrive(
    node: ShardRange,
    stored: StoredSum | null,
    within: readonly ShardRange[],
  ): Promise<
    { kind: 'over' | 'known' | 'coming' | 'unknown' } | { kind: 'sibling'; node: ShardRange; text: string }
  >;
  /** Says of a node that is `unknown` that its sum is still coming. */
  announce(node: ShardRange): Promise<void>;
  /** Whether a node's sum has still to be computed. */
  wants(node: ShardRange): Promise<boolean>;
  /** Forgets a sum that cannot be read, if it is still the same. */
  forget(node: ShardRange, text: string): Promise<void>;
  /** The sum over all shards; null where it is not there. */
  whole(): Promise<{ text: string; stored: StoredSum | null } | null>;
  /** Which of these nodes no sum has. */
  uncovered(nodes: readonly ShardRange[]): Promise<ShardRange[]>;
  /** Lets all live on. */
  prolong(): Promise<void>;
  /** Removes all that is known, and its vectors. */
  close(): Promise<void>;
}

/** A sum over all shards by its name. */
export function storedSums(redis: Redis, keys: RunKeys, sum: string, shards: number): StoredSums {
  const key = keys.sums(sum);
  const coming = (node: ShardRange | null): string => `${key}:${node === null ? 'none' : fieldOf(node)}`;
  const path = (node: ShardRange): ShardRange[] => {
    const found = pathTo(node, shards);
    if (found === null) {
      throw new RangeError(`shards ${fieldOf(node)} are no node of the tree over ${shards}`);
    }
    return found;
  };
  const ask = async (
    node: ShardRange,
    sibling: ShardRange | null,
    message: string,
    within: readonly ShardRange[],
  ): Promise<[kind: string, text?: string]> => {
    const above = path(node).slice(0, -1).reverse();
    const reply = await redis.eval(
      ARRIVE,
      3,
      ...[key, coming(node), coming(sibling)],
      ...[
        LIFETIME_SECONDS,
        MOST_MESSAGE_BYTES,
        message,
        fieldOf(node),
        sibling === null ? '' : fieldOf(sibling),
      ],
      ...[above.length, ...above.map(fieldOf), ...within.map(fieldOf)],
    );
    return reply as [string, string?];
  };
  const entries = async (): Promise<Map<string, StoredSum | null>> => {
    const found = new Map<string, StoredSum | null>();
    for (const field of await redis.hkeys(key)) {
      if (field !== OPEN && (await redis.hstrlen(key, field)) <= MOST_MESSAGE_BYTES) {
        found.set(field, readMessage(storedSumSchema, await redis.hget(key, field)));
      }
    }
    return found;
  };
  const vectorsOf = (found: Map<string, StoredSum | null>) =>
    [...found.values()].flatMap((stored) => stored?.vectors ?? []);
  return {
    open: async () => {
      await redis.pipeline().hset(key, OPEN, '').expire(key, LIFETIME_SECONDS).exec();
    },
    arrive: async (node, stored, within) => {
      const parent = path(node).at(-2);
      const sibling = parent === undefined ? null : halves(parent)[node.start === parent.start ? 1 : 0];
      const message = stored === null ? '' : JSON.stringify(stored);
      const [kind, text = ''] = await ask(node, sibling, message, within);
      if (kind === 'sibling' && sibling !== null) {
        return { kind, node: sibling, text };
      }
      return { kind: kind === 'over' || kind === 'known' || kind === 'coming' ? kind : 'unknown' };
    },
    announce: async (node) => {
      await redis.set(coming(node), '', 'EX', COMING_SECONDS);
    },
    wants: async (node) => (await ask(node, null, '?', []))[0] === 'unknown',
    forget: async (node, text) => {
      await redis.eval(FORGET, 1, key, fieldOf(node), text);
    },
    whole: async () => {
      const field = fieldOf({ start: 0, end: shards });
      const size = await redis.hstrlen(key, field);
      const text = size === 0 || size > MOST_MESSAGE_BYTES ? null : await redis.hget(key, field);
      return text === null ? null : { text, stored: readMessage(storedSumSchema, text) };
    },
    uncovered: async (nodes) => {
      const fields = new Set(await redis.hkeys(key));
      return nodes.filter((node) => !path(node).some((above) => fields.has(fieldOf(above))));
    },
    prolong: async () => {
      await redis.expire(key, LIFETIME_SECONDS);
      await prolongVectors(redis, keys, vectorsOf(await entries()));
    },
    close: async () => {
      const found = await entries();
      // First: whoever comes later leaves nothing.
      await redis.unlink(key);
      await removeVectors(redis, keys, vectorsOf(found));
    },
  };
}
