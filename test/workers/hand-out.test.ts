import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTreeNode } from '../../src/programs/shards.js';
import { jobTimes, nodesFor } from '../../src/workers/hand-out.js';

describe('the nodes that are handed out', () => {
  it('are one for each worker where their number is a power of two', () => {
    expect([1, 2, 4, 8, 64].map((workers) => nodesFor(workers, 64).length)).toEqual([1, 2, 4, 8, 64]);
    // 8 of 9 turns are used by 3 workers, 8 of 10 by 5, 32 of 35 by 7; 16 of 21 would be too few.
    expect([3, 5, 7].map((workers) => nodesFor(workers, 64).length)).toEqual([8, 8, 32]);
  });

  it('are nodes of the tree that cover all shards, and leave little time unused', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 300 }), (workers, shards) => {
        const nodes = nodesFor(workers, shards);
        expect(nodes.reduce((sum, { start, end }) => sum + end - start, 0)).toBe(shards);
        expect(nodes.every((node) => isTreeNode(node, shards))).toBe(true);
        const turns = Math.ceil(nodes.length / workers) * workers;
        expect(nodes.length === shards || nodes.length >= 0.8 * turns).toBe(true);
      }),
    );
  });
});

describe('patience', () => {
  it('is half a minute for what is not known, then three seconds and twice the median', () => {
    const times = jobTimes();
    expect(times.patience('products 1 8')).toBe(30);
    for (const seconds of [10, 1, 2]) {
      times.add('products 1 8', seconds);
    }
    expect(times.patience('products 1 8')).toBe(7);
    expect(times.patience('products 1 4')).toBe(30);
  });
});
