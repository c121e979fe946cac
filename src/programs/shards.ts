/**
 * Shards of a set of examples, and the fixed tree along which what is computed on each is added up. Both depend on the
 * number of examples and of shards alone, so that a sum has the same bits whoever computes which part of it.
 */

/** Shards [start, end). */
export interface ShardRange {
  readonly start: number;
  readonly end: number;
}

/** Examples of a shard below which batches are too small to be fast, and most shards, where no number is asked for. */
const EXAMPLES_OF_SHARD = 64;
const MOST_SHARDS = 64;

/** The number of shards that so many examples are cut into where none is asked for. */
export function defaultShards(examples: number): number {
  return Math.min(MOST_SHARDS, Math.max(1, Math.floor(examples / EXAMPLES_OF_SHARD)));
}

/** The first example of every shard, and the end of the last: sizes differ by one at most, and may be 0. */
export function shardBounds(examples: number, shards: number): number[] {
  return Array.from({ length: shards + 1 }, (_, shard) => Math.floor((shard * examples) / shards));
}

/** The two nodes below a node of the tree over at least two shards: its halves, the second not the smaller one. */
export function halves({ start, end }: ShardRange): [ShardRange, ShardRange] {
  const middle = Math.floor((start + end) / 2);
  return [
    { start, end: middle },
    { start: middle, end },
  ];
}

/** The nodes from the whole tree over so many shards down to a node of it, which is the last; null for ranges that are none. */
export function pathTo(range: ShardRange, shards: number): ShardRange[] | null {
  let node: ShardRange = { start: 0, end: shards };
  const path = [node];
  while (node.end - node.start > range.end - range.start && node.end - node.start > 1) {
    const [left, right] = halves(node);
    node = range.start < left.end ? left : right;
    path.push(node);
  }
  return node.start === range.start && node.end === range.end ? path : null;
}

/** Whether a range is a node of the tree over so many shards. */
export function isTreeNode(range: ShardRange, shards: number): boolean {
  return pathTo(range, shards) !== null;
}

/** The nodes of the tree over so many shards at a depth, and the single shards above it, in order. */
export function nodesAtDepth(shards: number, depth: number): ShardRange[] {
  let nodes: ShardRange[] = [{ start: 0, end: shards }];
  for (let level = 0; level < depth; level++) {
    nodes = nodes.flatMap((node) => (node.end - node.start === 1 ? [node] : halves(node)));
  }
  return nodes;
}

/**
 * Adds up along the tree below a node, left to right.
 *
 * @param partOf the sum over a node where it is known, else null: it is asked for every node from the top, and has to
 *   know the single shards
 * @param add may change its first argument and return it
 */
export async function sumAlongTree<Sum>(
  node: ShardRange,
  partOf: (node: ShardRange) => Promise<Sum> | null,
  add: (left: Sum, right: Sum) => Sum,
): Promise<Sum> {
  const part = partOf(node);
  if (part !== null) {
    return part;
  }
  const [left, right] = halves(node);
  return add(await sumAlongTree(left, partOf, add), await sumAlongTree(right, partOf, add));
}

/** Adds a float32 vector to another in place, each entry rounded to float32. */
export function addInFloat32(left: Float32Array, right: Float32Array): Float32Array {
  for (let i = 0; i < left.length; i++) {
    left[i] += right[i];
  }
  return left;
}
