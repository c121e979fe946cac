import { wholeBlocks } from './channel-blocks.js';
import { fewestOperations, gatheredColumns } from './columns.js';
import { convolutionGeometry } from './convolution-lowering.js';
import {
  BLOCK_EXAMPLES,
  BLOCK_OUTPUT_GRADIENT,
  BLOCKED_FILTER_GRADIENT,
  type ExampleBlocks,
  tapPadding,
} from './example-blocks.js';
import {
  elementCount,
  type Graph,
  type GraphNode,
  type GraphValue,
  graphValue,
  type ValueId,
} from './graph.js';
import { Rebuilder } from './rebuilder.js';

/** How many times the operations may be, counting examples and outputs that are filled up, to be faster than unfolding. */
const LARGEST_WASTE = 4;

/** The most groups of examples with whole blocks whose results together are no larger than the input. */
function groupsOf(blocksOfExamples: number, filterSize: number, inputSize: number): number {
  let groups = 1;
  while (blocksOfExamples % (2 * groups) === 0 && 2 * groups * filterSize <= inputSize) {
    groups *= 2;
  }
  return groups;
}

/**
 * Writes filter gradients as convolutions over blocks of examples where that
 * is faster than unfolding: filters of more than one tap, not dilated along rows.
 *
 * @param block channels in a block, of ONNX Runtime on this machine; null for
 *   none: the graph stays as it is
 */
export function blockFilterGradients(graph: Graph, block: number | null): Graph {
  if (block === null) {
    return graph;
  }
  const rebuilder = new Rebuilder(graph);
  return rebuilder.rewritten(
    (node) => node.kernel === 'Conv2DBackpropFilter' && writeBlocked(rebuilder, graph, node, block),
  );
}

/**
 * Sums what columns that were gathered as channels contribute to a filter
 * gradient: [kh, wider, in, columns * out] to [kh, kw, in, out].
 */
function writeSumOfColumns(
  rebuilder: Rebuilder,
  wide: ValueId,
  { columns, step, shape }: { columns: number; step: number; shape: readonly number[] },
  outputs: readonly ValueId[],
): void {
  const size = [...shape];
  const parts = Array.from({ length: columns }, (_, column) => {
    const begin = [0, column * step, 0, column * shape[3]];
    return rebuilder.add('Slice', { x: wide }, { begin, size }, { shape, type: 'float32' });
  });
  const inputs = Object.fromEntries(parts.map((part, index) => [`t${index}`, part]));
  rebuilder.nodes.push({ kernel: 'AddN', inputs, attributes: {}, outputs });
}

/**
 * Adds the nodes that compute what a filter gradient does; false, and adds none, where unfolding is faster.
 * Few outputs leave most of a block empty: neighbouring columns are outputs of one then, as in convolutions.
 */
function writeBlocked(rebuilder: Rebuilder, graph: Graph, node: GraphNode, block: number): boolean {
  const { x, dy } = node.inputs;
  const filterShape = node.attributes.filterShape as number[];
  const images = graphValue(graph, x).shape;
  const [batch, height, width, channels] = images;
  const own = convolutionGeometry(node, images, filterShape, false);
  const { columns, operations } = fewestOperations(own, block);
  const geometry = gatheredColumns(own, columns);
  const { filterHeight, filterWidth, outHeight, outWidth, outChannels } = geometry;
  const [examples, outputs] = [wholeBlocks(batch, block), wholeBlocks(outChannels, block)];
  const waste = (examples / batch) * operations;
  if (own.filterHeight * own.filterWidth === 1 || geometry.dilationWidth !== 1 || waste > LARGEST_WASTE) {
    return false;
  }
  const filterSize = filterHeight * filterWidth * channels * outputs;
  const groups = groupsOf(examples / block, filterSize, elementCount(images));
  const blocks: ExampleBlocks = { block, groups, ...tapPadding(geometry) };
  const rows = height + Math.min(0, blocks.rowPadding[1]);
  const extent = width + blocks.columnPadding[0] + blocks.columnPadding[1];
  // Taps that see nothing but padding.
  if (rows <= 0 || width + blocks.columnPadding[1] <= 0) {
    return false;
  }
  const float32 = (shape: readonly number[]): GraphValue => ({ shape, type: 'float32' });
  const blockedImages = rebuilder.add(
    BLOCK_EXAMPLES,
    { x },
    { blocks },
    float32([1, examples, rows, extent * channels]),
  );
  const gathered = [batch, outHeight, outWidth, outChannels];
  const gradient = rebuilder.add(
    BLOCK_OUTPUT_GRADIENT,
    { dy: columns === 1 ? dy : rebuilder.reshape(dy, gathered) },
    { blocks },
    float32([groups * outputs, examples / groups, outHeight, outWidth]),
  );
  const inputs = { images: blockedImages, gradient };
  const attributes = { blocks, geometry };
  if (columns === 1) {
    rebuilder.nodes.push({ kernel: BLOCKED_FILTER_GRADIENT, inputs, attributes, outputs: node.outputs });
    return true;
  }
  const shape = [filterHeight, filterWidth, channels, outChannels];
  const wide = rebuilder.add(BLOCKED_FILTER_GRADIENT, inputs, attributes, float32(shape));
  writeSumOfColumns(rebuilder, wide, { columns, step: own.strideWidth, shape: filterShape }, node.outputs);
  return true;
}
