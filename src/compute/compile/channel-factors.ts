import { countReads, elementCount, type Graph, type GraphNode, graphValue, type ValueId } from './graph.js';
import { Rebuilder } from './rebuilder.js';

/** Kernels that are linear in a filter [.., out], and read what a factor of each output channel may come in with. */
const GRADIENTS = new Set(['Conv2DBackpropInput', 'Conv2DBackpropFilter']);

/** A product of images with a number for each of their channels. */
interface ScaledImages {
  images: ValueId;
  /** As many numbers as channels. */
  factors: ValueId;
}

/**
 * Takes factors of output channels out of images and into filters, which are
 * small: batch normalisation, in use, scales what a convolution gives, and its
 * derivative what the convolution's gradients are taken of.
 *
 * - a convolution, or a sum of them, that nothing but a product with factors
 *   reads, has the factors in its filter;
 * - gradients of images and filters, where all that reads a product with factors is
 *   one of them, have them in the filter they read or in the one they give.
 */
export function foldChannelFactors(graph: Graph): Graph {
  return new Folding(graph).written();
}

class Folding {
  private readonly rebuilder: Rebuilder;
  private readonly producers = new Map<ValueId, GraphNode>();
  private readonly readers = new Map<ValueId, GraphNode[]>();
  private readonly reads: Map<ValueId, number>;

  constructor(private readonly graph: Graph) {
    this.rebuilder = new Rebuilder(graph);
    this.reads = countReads(graph);
    for (const node of graph.nodes) {
      for (const output of node.outputs) {
        this.producers.set(output, node);
      }
      for (const id of new Set(Object.values(node.inputs))) {
        this.readers.set(id, [...(this.readers.get(id) ?? []), node]);
      }
    }
  }

  written(): Graph {
    return this.rebuilder.rewritten((node) => this.writeGradient(node) || this.writeProduct(node));
  }

  /** Writes a convolution anew where a product with factors reads it; where it stood, it is dead. */
  private writeProduct(node: GraphNode): boolean {
    const product = this.scaledImages(node);
    if (product === null || !this.isConvolved(product.images)) {
      return false;
    }
    this.writeConvolved(product.images, product.factors, node.outputs);
    return true;
  }

  private writeGradient(node: GraphNode): boolean {
    const product = GRADIENTS.has(node.kernel) ? this.scaledImages(this.producers.get(node.inputs.dy)) : null;
    if (product === null || !this.onlyGradientsRead(node.inputs.dy)) {
      return false;
    }
    const { images, factors } = product;
    if (node.kernel === 'Conv2DBackpropInput') {
      const filter = this.scaledFilter(node.inputs.filter, factors);
      this.rebuilder.nodes.push({ ...node, inputs: { dy: images, filter } });
      return true;
    }
    const inputs = { ...node.inputs, dy: images };
    const value = graphValue(this.graph, node.outputs[0]);
    const unscaled = this.rebuilder.add(node.kernel, inputs, node.attributes, value);
    this.rebuilder.nodes.push({
      kernel: 'Multiply',
      inputs: { a: unscaled, b: factors },
      attributes: {},
      outputs: node.outputs,
    });
    return true;
  }

  private onlyGradientsRead(id: ValueId): boolean {
    const readers = this.readers.get(id) ?? [];
    return (
      readers.length === this.reads.get(id) &&
      readers.every(({ kernel, inputs }) => GRADIENTS.has(kernel) && inputs.dy === id)
    );
  }

  /** Whether a value is a convolution or a sum of them, none of which anything else reads. */
  private isConvolved(id: ValueId): boolean {
    const node = this.producers.get(id);
    if (node === undefined || this.reads.get(id) !== 1) {
      return false;
    }
    const size = elementCount(graphValue(this.graph, id).shape);
    const ofSize = (each: ValueId): boolean => elementCount(graphValue(this.graph, each).shape) === size;
    return (
      node.kernel === 'Conv2D' ||
      (node.kernel === 'Add' &&
        Object.values(node.inputs).every((each) => ofSize(each) && this.isConvolved(each)))
    );
  }

  private writeConvolved(id: ValueId, factors: ValueId, outputs: readonly ValueId[]): void {
    const node = this.producers.get(id) as GraphNode;
    const inputs: Record<string, ValueId> =
      node.kernel === 'Conv2D'
        ? { ...node.inputs, filter: this.scaledFilter(node.inputs.filter, factors) }
        : Object.fromEntries(
            Object.entries(node.inputs).map(([name, each]) => {
              const scaled = this.rebuilder.define(graphValue(this.graph, each));
              this.writeConvolved(each, factors, [scaled]);
              return [name, scaled];
            }),
          );
    this.rebuilder.nodes.push({ ...node, inputs, outputs });
  }

  private scaledFilter(filter: ValueId, factors: ValueId): ValueId {
    return this.rebuilder.add('Multiply', { a: filter, b: factors }, {}, graphValue(this.graph, filter));
  }

  /** What a node multiplies, where it does so channel by channel. */
  private scaledImages(node: GraphNode | undefined): ScaledImages | null {
    if (node?.kernel !== 'Multiply') {
      return null;
    }
    const { shape } = graphValue(this.graph, node.outputs[0]);
    const { a, b } = node.inputs;
    const [images, factors] = this.isFactor(a, shape) ? [b, a] : [a, b];
    const { shape: own } = graphValue(this.graph, images);
    const isWhole = own.length === 4 && elementCount(own) === elementCount(shape);
    return isWhole && !this.graph.constants.has(images) && this.isFactor(factors, shape)
      ? { images, factors: this.vector(factors) }
      : null;
  }

  private isFactor(id: ValueId, of: readonly number[]): boolean {
    const { shape, type } = graphValue(this.graph, id);
    return type === 'float32' && elementCount(shape) === of.at(-1) && shape.at(-1) === of.at(-1);
  }

  private vector(id: ValueId): ValueId {
    const { shape } = graphValue(this.graph, id);
    return shape.length === 1 ? id : this.rebuilder.reshape(id, [elementCount(shape)]);
  }
}
