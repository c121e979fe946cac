import type { Lowering } from './builder.js';
import { BLOCKED_DOMAIN } from './channel-blocks.js';
import { countReads, elementCount, type Graph, type GraphNode, graphValue, type ValueId } from './graph.js';
import { axes } from './kernel-inputs.js';
import { Rebuilder } from './rebuilder.js';
import { BLOCKED_SUM } from './stay-blocked.js';

/**
 * Sums, over everything but channels, of products of two tensors, as the
 * variance of a batch and its derivative need them.
 *
 * ONNX Runtime writes the product and reads it again. Its convolution over
 * blocks of channels, each channel by itself, with one tensor as the image and
 * the other one as a filter of the same size, sums while it multiplies: that
 * takes a quarter of the time (measured). Positions are summed in parts: work
 * for several threads, and less rounding.
 */
export const PRODUCT_SUM = 'PruneLimitProductSum';

/** Fewer numbers are not worth a node of their own kind. */
const SMALLEST_SIZE = 2 ** 15;
/** Positions of a part, at least and at most. */
const PART_SIZES = { least: 64, most: 1024 } as const;
const MOST_PARTS = 1024;

/** How many parts of equal size positions are divided into; null where none are of a good size. */
function partsOf(positions: number): number | null {
  for (let parts = Math.min(MOST_PARTS, Math.floor(positions / PART_SIZES.least)); parts > 0; parts--) {
    if (positions % parts === 0) {
      return positions / parts <= PART_SIZES.most ? parts : null;
    }
  }
  return null;
}

/** The operands of a product of two tensors of one shape; null for other nodes. */
function factors(graph: Graph, node: GraphNode | undefined): { a: ValueId; b: ValueId } | null {
  if (node?.kernel === 'Square') {
    return { a: node.inputs.x, b: node.inputs.x };
  }
  if (node?.kernel !== 'Multiply') {
    return null;
  }
  const { a, b } = node.inputs;
  const size = elementCount(graphValue(graph, node.outputs[0]).shape);
  const whole = [a, b].every(
    (id) => !graph.constants.has(id) && elementCount(graphValue(graph, id).shape) === size,
  );
  return whole ? { a, b } : null;
}

/**
 * How the products that a node sums are divided into parts, and how many
 * channels there are; null where a convolution does not sum them so, or not faster.
 */
function partition(graph: Graph, node: GraphNode, block: number): { parts: number; channels: number } | null {
  const { shape, type } = graphValue(graph, node.inputs.x);
  const size = elementCount(shape);
  if (type !== 'float32' || size < SMALLEST_SIZE) {
    return null;
  }
  if (node.kernel === BLOCKED_SUM) {
    const [batch, blocks, height, width] = shape;
    const { least, most } = PART_SIZES;
    return height * width < least || height * width > most
      ? null
      : { parts: batch * blocks, channels: blocks * block };
  }
  const channels = shape.at(-1) ?? 1;
  const over = axes(node, shape.length);
  const overPositions =
    shape.length > 1 && over.length === shape.length - 1 && over.every((axis, index) => axis === index);
  const parts = size % block === 0 ? partsOf(size / block) : null;
  return overPositions && block % channels === 0 && parts !== null ? { parts, channels } : null;
}

/**
 * Writes sums of products that nothing else reads as convolutions, where whole
 * positions fill a block.
 *
 * @param block channels in a block, of ONNX Runtime on this machine; null for
 *   none: the graph stays as it is
 */
export function sumProducts(graph: Graph, block: number | null): Graph {
  if (block === null) {
    return graph;
  }
  const reads = countReads(graph);
  const producers = new Map(graph.nodes.map((node): [ValueId, GraphNode] => [node.outputs[0], node]));
  const rebuilder = new Rebuilder(graph);
  for (const node of graph.nodes) {
    const { x } = node.inputs;
    const sums = node.kernel === 'Sum' || node.kernel === BLOCKED_SUM;
    const product = sums && reads.get(x) === 1 ? factors(graph, producers.get(x)) : null;
    const parts = product === null ? null : partition(graph, node, block);
    rebuilder.nodes.push(
      product === null || parts === null
        ? node
        : { kernel: PRODUCT_SUM, inputs: product, attributes: { block, ...parts }, outputs: node.outputs },
    );
  }
  return rebuilder.finish();
}

const productSum: Lowering = (node, builder) => {
  const { a, b } = node.inputs;
  const { block, parts, channels } = node.attributes as { block: number; parts: number; channels: number };
  const positions = elementCount(builder.value(a).shape) / block / parts;
  const filters = block * parts;
  const sums = builder.add(
    `${BLOCKED_DOMAIN}.Conv`,
    [
      builder.reshape(builder.full(a), [1, filters, 1, positions]),
      builder.reshape(builder.full(b), [filters, 1, 1, positions]),
    ],
    {
      kernel_shape: [1, positions],
      strides: [1, 1],
      dilations: [1, 1],
      pads: [0, 0, 0, 0],
      group: filters,
    },
  );
  const sum = builder.add(
    'ReduceSum',
    [builder.reshape(sums, [filters / channels, channels]), builder.integers([0])],
    { keepdims: 0 },
  );
  return [builder.reshape(sum, builder.value(node.outputs[0]).shape)];
};

/** Lowerings of {@link PRODUCT_SUM}. */
export const productSumLowerings: Readonly<Record<string, Lowering>> = { [PRODUCT_SUM]: productSum };
