import type { ConvolutionGeometry } from '../array-kernels.js';
import { convolutionGeometry } from './convolution-lowering.js';
import { countReads, type Graph, type GraphNode, graphValue, isSameShape, type ValueId } from './graph.js';
import { Rebuilder } from './rebuilder.js';
import type { GraphPass } from './simplify.js';

/** Rows and columns around an image: above, below, left, right. */
interface Border {
  top: number;
  bottom: number;
  left: number;
  right: number;
}

/** Which input a convolution kernel reads images from, and where it says the shape of its filter. */
const READERS: Readonly<Record<string, { image: string; depthwise: boolean }>> = {
  Conv2D: { image: 'x', depthwise: false },
  Conv2DBackpropFilter: { image: 'x', depthwise: false },
  DepthwiseConv2dNative: { image: 'x', depthwise: true },
  DepthwiseConv2dNativeBackpropFilter: { image: 'x', depthwise: true },
};
/** Kernels that compute the gradient of an image. */
const WRITERS: Readonly<Record<string, { depthwise: boolean }>> = {
  Conv2DBackpropInput: { depthwise: false },
  DepthwiseConv2dNativeBackpropInput: { depthwise: true },
};

function filterShape(graph: Graph, node: GraphNode): readonly number[] {
  return (node.attributes.filterShape as number[] | undefined) ?? graphValue(graph, node.inputs.filter).shape;
}

/** The zeros that a PadV2 node puts around images; null for other paddings. */
function zeroBorder(node: GraphNode): Border | null {
  const paddings = node.attributes.paddings as [number, number][];
  const [batch, rows, columns, channels] = paddings;
  const around = paddings.length === 4 && [...batch, ...channels].every((extent) => extent === 0);
  return around && ((node.attributes.constantValue as number | undefined) ?? 0) === 0
    ? { top: rows[0], bottom: rows[1], left: columns[0], right: columns[1] }
    : null;
}

/** The rows and columns that a Slice node cuts off images; null for other slices. */
function croppedBorder(graph: Graph, node: GraphNode): Border | null {
  const from = graphValue(graph, node.inputs.x).shape;
  const to = graphValue(graph, node.outputs[0]).shape;
  const [, top, left] = node.attributes.begin as number[];
  return from.length === 4 && from[0] === to[0] && from[3] === to[3]
    ? { top, bottom: from[1] - to[1] - top, left, right: from[2] - to[2] - left }
    : null;
}

/**
 * A convolution's attributes with a border added to its padding; null where
 * the padding would exceed the filter's reach: its derivatives have no form
 * as a convolution then.
 */
function widened(
  { attributes }: GraphNode,
  geometry: ConvolutionGeometry,
  border: Border,
): Record<string, unknown> | null {
  const { padInfo, effectiveFilterHeight, effectiveFilterWidth } = geometry;
  const rows: [number, number] = [padInfo.top + border.top, padInfo.bottom + border.bottom];
  const columns: [number, number] = [padInfo.left + border.left, padInfo.right + border.right];
  const within = (pads: [number, number], reach: number): boolean =>
    pads.every((pad) => pad >= 0 && pad < reach);
  return within(rows, effectiveFilterHeight) && within(columns, effectiveFilterWidth)
    ? { ...attributes, pad: [[0, 0], rows, columns, [0, 0]], dimRoundingMode: 'floor' }
    : null;
}

/** A convolution kernel with the zeros around its images folded into its padding, where that can be. */
function withoutPadding(graph: Graph, node: GraphNode, padding: GraphNode | undefined): GraphNode {
  const border = padding?.kernel === 'PadV2' ? zeroBorder(padding) : null;
  if (padding === undefined || border === null) {
    return node;
  }
  const { image, depthwise } = READERS[node.kernel];
  const padded = graphValue(graph, padding.outputs[0]).shape;
  const geometry = convolutionGeometry(node, padded, filterShape(graph, node), depthwise);
  const attributes = widened(node, geometry, border);
  return attributes === null
    ? node
    : { ...node, attributes, inputs: { ...node.inputs, [image]: padding.inputs.x } };
}

/**
 * Lets convolutions pad their images themselves: zeros that a node of its own
 * puts around them need not be stored, nor do gradients (or sums of them) have
 * to be computed for them only to be cut off.
 */
export const foldPadding: GraphPass = (graph) => {
  const producers = new Map<ValueId, GraphNode>(
    graph.nodes.flatMap((node) => node.outputs.map((output): [ValueId, GraphNode] => [output, node])),
  );
  const reads = countReads(graph);
  const rebuilder = new Rebuilder(graph);
  const aliases = new Map<ValueId, ValueId>();
  const resolved = (record: Readonly<Record<string, ValueId>>): Record<string, ValueId> =>
    Object.fromEntries(Object.entries(record).map(([name, id]) => [name, aliases.get(id) ?? id]));
  /** Says what computes a value with a border cut off; null where that saves nothing. */
  const cropped = (id: ValueId, border: Border, shape: readonly number[]): (() => ValueId) | null => {
    const node = producers.get(id);
    if (node === undefined || reads.get(id) !== 1) {
      return null;
    }
    const { type, shape: whole } = graphValue(graph, id);
    if (node.kernel === 'Add') {
      const sameShape = isSameShape(graph, node.inputs.a, node.inputs.b);
      const a = sameShape ? cropped(node.inputs.a, border, shape) : null;
      const b = a && cropped(node.inputs.b, border, shape);
      return a && b && (() => rebuilder.add('Add', { a: a(), b: b() }, node.attributes, { shape, type }));
    }
    const writer = WRITERS[node.kernel];
    if (writer === undefined) {
      return null;
    }
    const geometry = convolutionGeometry(node, whole, filterShape(graph, node), writer.depthwise);
    const attributes = widened(node, geometry, border);
    const inputShape = [...shape];
    return (
      attributes &&
      (() =>
        rebuilder.add(node.kernel, resolved(node.inputs), { ...attributes, inputShape }, { shape, type }))
    );
  };
  for (const node of graph.nodes) {
    const border = node.kernel === 'Slice' ? croppedBorder(graph, node) : null;
    const crop = border && cropped(node.inputs.x, border, graphValue(graph, node.outputs[0]).shape);
    if (crop) {
      aliases.set(node.outputs[0], crop());
      continue;
    }
    const reader = READERS[node.kernel];
    const padding = reader && producers.get(node.inputs[reader.image]);
    const folded = withoutPadding(graph, node, padding);
    rebuilder.nodes.push({ ...folded, inputs: resolved(folded.inputs) });
  }
  return { ...rebuilder.finish(), outputs: resolved(graph.outputs) };
};
