import { wholeBlocks } from './channel-blocks.js';
import { convolutionGeometry } from './convolution-lowering.js';
import {
  BLOCK_EXAMPLES,
  BLOCK_OUTPUT_GRADIENT,
  BLOCKED_FILTER_GRADIENT,
  type ExampleBlocks,
  tapPadding,
} from './example-blocks.js';
import { elementCount, type Graph, type GraphNode, graphValue } from './graph.js';
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
  for (const node of graph.nodes) {
    if (node.kernel !== 'Conv2DBackpropFilter' || !writeBlocked(rebuilder, graph, node, block)) {
      rebuilder.nodes.push(node);
    }
  }
  return rebuilder.finish();
}

/** Adds the nodes that compute what a filter gradient does; false, and adds none, where unfolding is faster. */
function writeBlocked(rebuilder: Rebuilder, graph: Graph, node: GraphNode, block: number): boolean {
  const { x, dy } = node.inputs;
  const filterShape = node.attributes.filterShape as number[];
  const images = graphValue(graph, x).shape;
  const [batch, height, width, channels] = images;
  const geometry = convolutionGeometry(node, images, filterShape, false);
  const { filterHeight, filterWidth, outHeight, outWidth, outChannels } = geometry;
  const [examples, outputs] = [wholeBlocks(batch, block), wholeBlocks(outChannels, block)];
  const waste = (examples / batch) * (outputs / outChannels);
  if (filterHeight * filterWidth === 1 || geometry.dilationWidth !== 1 || waste > LARGEST_WASTE) {
    return false;
  }
  const filterSize = filterHeight * filterWidth * channels * outputs;
  const groups = groupsOf(examples / block, filterSize, elementCount(images));
  const blocks: ExampleBlocks = { block, groups, ...tapPadding(geometry) };
  const rows = height + Math.min(0, blocks.rowPadding[1]);
  const columns = width + blocks.columnPadding[0] + blocks.columnPadding[1];
  // Taps that see nothing but padding.
  if (rows <= 0 || width + blocks.columnPadding[1] <= 0) {
    return false;
  }
  const blockedImages = rebuilder.add(
    BLOCK_EXAMPLES,
    { x },
    { blocks },
    { shape: [1, examples, rows, columns * channels], type: 'float32' },
  );
  const gradient = rebuilder.add(
    BLOCK_OUTPUT_GRADIENT,
    { dy },
    { blocks },
    { shape: [groups * outputs, examples / groups, outHeight, outWidth], type: 'float32' },
  );
  rebuilder.nodes.push({
    kernel: BLOCKED_FILTER_GRADIENT,
    inputs: { images: blockedImages, gradient },
    attributes: { blocks, geometry },
    outputs: node.outputs,
  });
  return true;
}
