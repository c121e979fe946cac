import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addInFloat32,
  defaultShards,
  halves,
  isTreeNode,
  nodesAtDepth,
  type ShardRange,
  shardBounds,
  sumAlongTree,
} from '../../src/programs/shards.js';

const shardCounts = fc.integer({ min: 1, max: 70 });

/** All nodes of the tree, by descending it. */
function allNodes(shards: number): ShardRange[] {
  const below = (node: ShardRange): ShardRange[] =>
    node.end - node.start === 1 ? [node] : [node, ...halves(node).flatMap(below)];
  return below({ start: 0, end: shards });
}

const key = ({ start, end }: ShardRange): string => `${start}-${end}`;

describe('shards', () => {
  it('hold every example once, in sizes that differ by one at most', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2_000_000 }), shardCounts, (examples, shards) => {
        const bounds = shardBounds(examples, shards);
        const sizes = bounds.slice(1).map((end, shard) => end - bounds[shard]);
        expect([bounds[0], bounds[shards], sizes.length]).toEqual([0, examples, shards]);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        expect(Math.max(...sizes)).toBe(Math.ceil(examples / shards));
      }),
    );
  });

  it('are as many as hold 64 examples each, 64 at most', () => {
    expect([1, 127, 128, 2048, 4096, 1_281_167].map(defaultShards)).toEqual([1, 1, 2, 32, 64, 64]);
  });
});

describe('the tree over shards', () => {
  it('knows its nodes from all other ranges', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), (shards) => {
        const nodes = new Set(allNodes(shards).map(key));
        for (let start = -1; start <= shards; start++) {
          for (let end = -1; end <= shards + 1; end++) {
            expect(isTreeNode({ start, end }, shards)).toBe(nodes.has(key({ start, end })));
          }
        }
      }),
    );
  });

  it('is covered by its nodes at any depth, in order', () => {
    fc.assert(
      fc.property(shardCounts, fc.integer({ min: 0, max: 8 }), (shards, depth) => {
        const nodes = nodesAtDepth(shards, depth);
        expect(nodes.map(({ start }) => start)).toEqual([0, ...nodes.slice(0, -1).map(({ end }) => end)]);
        expect(nodes.at(-1)!.end).toBe(shards);
        expect(nodes.every((node) => isTreeNode(node, shards))).toBe(true);
        expect(nodes.length).toBeLessThanOrEqual(Math.min(2 ** depth, shards));
      }),
    );
  });

  it('gives the same bits whichever nodes are summed elsewhere, and the direct sum but for rounding', async () => {
    const numbers = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }), {
      minLength: 1,
      maxLength: 70,
    });
    await fc.assert(
      fc.asyncProperty(numbers, fc.infiniteStream(fc.boolean()), async (values, coins) => {
        const leaf = async ({ start }: ShardRange) => Float32Array.of(values[start], -2 * values[start]);
        const whole = { start: 0, end: values.length };
        const onlyLeaves = (node: ShardRange) => (node.end - node.start === 1 ? leaf(node) : null);
        const local = await sumAlongTree(whole, onlyLeaves, addInFloat32);
        // Any node may have been summed by someone else.
        const mixed = await sumAlongTree(
          whole,
          (node) =>
            onlyLeaves(node) ?? (coins.next().value ? sumAlongTree(node, onlyLeaves, addInFloat32) : null),
          addInFloat32,
        );
        expect(mixed).toEqual(local);
        const direct = values.reduce((sum, value) => sum + value, 0);
        const scale = values.reduce((sum, value) => sum + Math.abs(value), 0);
        // A sum of n numbers along a balanced tree loses at most half a unit for each level.
        expect(Math.abs(local[0] - direct)).toBeLessThanOrEqual(8 * 2 ** -24 * scale);
      }),
    );
  });
});
