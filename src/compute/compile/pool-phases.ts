import type { ConvolutionGeometry } from '../array-kernels.js';
import { convolutionGeometry } from './convolution-lowering.js';
import { elementCount, type Graph, type GraphNode, graphValue, isSameShape, type ValueId } from './graph.js';
import { FROM_PHASES, PHASE } from './phases.js';
import { poolGeometry } from './pool-positions.js';
import { Rebuilder } from './rebuilder.js';
import { type GraphPass, isStep } from './simplify.js';

/** A max pooling that is differentiated. */
interface Pool {
  input: ValueId;
  result: ValueId;
  geometry: ConvolutionGeometry;
  /** A rectifier of the input and what it rectifies. */
  rectified: ValueId | null;
}

type Readers = ReadonlyMap<ValueId, readonly GraphNode[]>;
type Producers = ReadonlyMap<ValueId, GraphNode>;

/** Positions of a window up to which its phases are fewer operations than a search. */
const LARGEST_WINDOW = 9;

function sideBySide({ padInfo, ...geometry }: ConvolutionGeometry): boolean {
  const positions = geometry.filterHeight * geometry.filterWidth;
  return (
    positions > 1 &&
    positions <= LARGEST_WINDOW &&
    geometry.strideHeight === geometry.filterHeight &&
    geometry.strideWidth === geometry.filterWidth &&
    padInfo.top === 0 &&
    padInfo.left === 0 &&
    geometry.outHeight * geometry.strideHeight <= geometry.inHeight &&
    geometry.outWidth * geometry.strideWidth <= geometry.inWidth
  );
}

/** Whether a node sums images over everything but channels. */
function sumsPositions(graph: Graph, { kernel, inputs, attributes, outputs }: GraphNode): boolean {
  if (kernel !== 'Sum') {
    return false;
  }
  const channels = graphValue(graph, inputs.x).shape[3];
  const over = [attributes.axis].flat().map(Number);
  return (
    over.length === 3 &&
    [0, 1, 2].every((axis) => over.includes(axis)) &&
    elementCount(graphValue(graph, outputs[0]).shape) === channels
  );
}

class Phases {
  private readonly rebuilder: Rebuilder;
  private readonly readers: Readers;
  private readonly producers: Producers;
  private readonly pools: ReadonlyMap<ValueId, Pool>;
  private readonly parts = new Map<ValueId, readonly ValueId[]>();
  /** Nodes whose results are computed otherwise. */
  private readonly replaced = new Set<GraphNode>();

  constructor(private readonly graph: Graph) {
    this.rebuilder = new Rebuilder(graph);
    const readers = new Map<ValueId, GraphNode[]>();
    for (const node of graph.nodes) {
      for (const id of new Set(Object.values(node.inputs))) {
        readers.set(id, [...(readers.get(id) ?? []), node]);
      }
    }
    this.readers = readers;
    this.producers = new Map(
      graph.nodes.flatMap((node) => node.outputs.map((output): [ValueId, GraphNode] => [output, node])),
    );
    this.pools = new Map(graph.nodes.flatMap((node) => this.poolOf(node)).map((pool) => [pool.input, pool]));
  }

  written(): Graph {
    if (this.pools.size === 0) {
      return this.graph;
    }
    for (const node of this.graph.nodes) {
      const pool = this.pools.get(node.kernel === 'MaxPool' ? node.inputs.x : node.inputs.input);
      if (this.replaced.has(node)) {
        continue;
      }
      if (node.kernel === 'MaxPool' && pool !== undefined && pool.result === node.outputs[0]) {
        this.writeResult(pool);
      } else if (node.kernel === 'MaxPoolGrad' && pool !== undefined && this.isOf(pool, node)) {
        this.writeGradient(pool, node);
      } else {
        this.rebuilder.nodes.push(node);
      }
    }
    return this.rebuilder.finish();
  }

  private read(id: ValueId): readonly GraphNode[] {
    return this.readers.get(id) ?? [];
  }

  private isOutput(id: ValueId): boolean {
    return Object.values(this.graph.outputs).includes(id);
  }

  private shape(id: ValueId): readonly number[] {
    return graphValue(this.graph, id).shape;
  }

  private isOf({ input, geometry }: Pool, node: GraphNode): boolean {
    const own = poolGeometry(node, this.shape(input));
    return (
      own.filterHeight === geometry.filterHeight &&
      own.filterWidth === geometry.filterWidth &&
      sideBySide(own)
    );
  }

  /** A max pooling that has a gradient; where an input is pooled in several ways, the first. */
  private poolOf(node: GraphNode): Pool[] {
    const input = node.inputs.x;
    if (node.kernel !== 'MaxPool') {
      return [];
    }
    const geometry = poolGeometry(node, this.shape(input));
    const gradients = this.read(input).filter(({ kernel }) => kernel === 'MaxPoolGrad');
    if (gradients.length === 0 || !sideBySide(geometry)) {
      return [];
    }
    const producer = this.producers.get(input);
    const rectified = producer?.kernel === 'Relu' ? producer.inputs.x : null;
    return [{ input, result: node.outputs[0], geometry, rectified }];
  }

  /** The product with the step of a rectifier that is all that reads a gradient: it can be taken before, of the result. */
  private rectifierOf({ input, rectified }: Pool, gradient: GraphNode): GraphNode | null {
    const [output] = gradient.outputs;
    const [reader, ...others] = this.read(output);
    if (rectified === null || reader?.kernel !== 'Multiply' || others.length > 0 || this.isOutput(output)) {
      return null;
    }
    const { a, b } = reader.inputs;
    const step = this.producers.get(a === output ? b : a);
    const of = step !== undefined && isStep(step) ? step.inputs.x : null;
    return a !== b && (of === input || of === rectified) && isSameShape(this.graph, a, b) ? reader : null;
  }

  /** Calls for every row and column of a window. */
  private forWindow<T>({ geometry }: Pool, phase: (row: number, column: number) => T): T[] {
    const { filterHeight, filterWidth } = geometry;
    return Array.from({ length: filterHeight * filterWidth }, (_, index) =>
      phase(Math.floor(index / filterWidth), index % filterWidth),
    );
  }

  /** Attributes of a convolution that sees a window at a time, with this many zeros before and this long a filter. */
  private windowAttributes(
    { geometry: { strideHeight, strideWidth, outHeight, outWidth } }: Pool,
    { attributes }: GraphNode,
    image: readonly number[],
    before: readonly [number, number],
    filter: readonly [number, number],
  ): Record<string, unknown> {
    const pads = (axis: 0 | 1, out: number, stride: number): [number, number] => {
      const after = (out - 1) * stride + filter[axis] - image[axis + 1] - before[axis];
      return [before[axis], Math.max(0, after)];
    };
    return {
      ...attributes,
      strides: [strideHeight, strideWidth],
      pad: [[0, 0], pads(0, outHeight, strideHeight), pads(1, outWidth, strideWidth), [0, 0]],
      dimRoundingMode: 'floor',
    };
  }

  private phase(pool: Pool, row: number, column: number): ValueId {
    const { input, result, geometry } = pool;
    const value = { shape: this.shape(result), type: 'float32' } as const;
    const strides = [geometry.strideHeight, geometry.strideWidth];
    return this.rebuilder.add(PHASE, { x: input }, { row, column, strides }, value);
  }

  private writeResult(pool: Pool): void {
    const phases = this.forWindow(pool, (row, column) => this.phase(pool, row, column));
    this.parts.set(pool.input, phases);
    const value = { shape: this.shape(pool.result), type: 'float32' } as const;
    const last = phases.length - 1;
    phases.slice(1).reduce((largest, phase, index) => {
      const inputs = { a: largest, b: phase };
      if (index + 1 < last) {
        return this.rebuilder.add('Maximum', inputs, {}, value);
      }
      this.rebuilder.nodes.push({ kernel: 'Maximum', inputs, attributes: {}, outputs: [pool.result] });
      return pool.result;
    }, phases[0]);
  }

  /** Gives the gradient to the first phase that holds the maximum, as tfjs does: what is left of it goes to the last one. */
  private gradientPhases(pool: Pool, gradient: ValueId): ValueId[] {
    const phases = this.parts.get(pool.input) ?? [];
    const { shape } = graphValue(this.graph, pool.result);
    const value = { shape, type: 'float32' } as const;
    let left = gradient;
    return phases.map((phase, index) => {
      if (index === phases.length - 1) {
        return left;
      }
      const equal = this.rebuilder.add('Equal', { a: phase, b: pool.result }, {}, { shape, type: 'bool' });
      const largest = this.rebuilder.add('Cast', { x: equal }, { dtype: 'float32' }, value);
      const part = this.rebuilder.add('Multiply', { a: left, b: largest }, {}, value);
      left = this.rebuilder.add('Sub', { a: left, b: part }, {}, value);
      return part;
    });
  }

  private writeGradient(pool: Pool, node: GraphNode): void {
    const value = { shape: this.shape(pool.result), type: 'float32' } as const;
    const rectifier = this.rectifierOf(pool, node);
    let gradient = node.inputs.dy;
    if (rectifier !== null) {
      this.replaced.add(rectifier);
      const step = this.rebuilder.add('Step', { x: pool.result }, {}, value);
      gradient = this.rebuilder.add('Multiply', { a: gradient, b: step }, {}, value);
    }
    const { outputs } = rectifier ?? node;
    const phases = this.gradientPhases(pool, gradient);
    const neededAsPhases = this.isNeededAsPhases(pool, outputs[0]);
    for (const reader of this.read(outputs[0])) {
      if (sumsPositions(this.graph, reader)) {
        this.replaced.add(reader);
        this.rebuilder.nodes.push({ ...reader, inputs: { x: gradient } });
      } else if (neededAsPhases) {
        this.replaced.add(reader);
        this.writeFilterGradient(pool, reader, phases);
      }
    }
    const inputs = Object.fromEntries(phases.map((phase, index) => [`p${index}`, phase]));
    const { strideHeight, strideWidth } = pool.geometry;
    const attributes = { strides: [strideHeight, strideWidth] };
    this.rebuilder.nodes.push({ kernel: FROM_PHASES, inputs, attributes, outputs });
  }

  /** Whether all that is computed from an image's gradient can be computed from its phases: in a first layer. */
  private isNeededAsPhases({ geometry: window }: Pool, gradient: ValueId): boolean {
    return (
      !this.isOutput(gradient) &&
      this.read(gradient).every((node) => {
        if (node.kernel !== 'Conv2DBackpropFilter' || node.inputs.x === gradient) {
          return sumsPositions(this.graph, node);
        }
        const own = this.filterGeometry(node);
        return (
          [own.strideHeight, own.strideWidth, own.dilationHeight, own.dilationWidth].every(
            (step) => step === 1,
          ) &&
          own.outHeight === window.outHeight * window.strideHeight &&
          own.outWidth === window.outWidth * window.strideWidth
        );
      })
    );
  }

  private filterGeometry(node: GraphNode): ConvolutionGeometry {
    return convolutionGeometry(
      node,
      this.shape(node.inputs.x),
      node.attributes.filterShape as number[],
      false,
    );
  }

  /** A filter gradient as the sum over phases of those of convolutions that see a window at a time. */
  private writeFilterGradient(pool: Pool, node: GraphNode, phases: readonly ValueId[]): void {
    const value = graphValue(this.graph, node.outputs[0]);
    const { padInfo, filterHeight, filterWidth } = this.filterGeometry(node);
    const { x } = node.inputs;
    const [batch, height, width, channels] = this.shape(x);
    const parts = this.forWindow(pool, (row, column) => [row, column] as const).map(
      ([row, column], index) => {
        const [above, left] = [padInfo.top - row, padInfo.left - column];
        const begin = [0, Math.max(0, -above), Math.max(0, -left), 0];
        const seen = [batch, height - begin[1], width - begin[2], channels];
        const image =
          above < 0 || left < 0
            ? this.rebuilder.add('Slice', { x }, { begin, size: seen }, { shape: seen, type: 'float32' })
            : x;
        const before = [Math.max(0, above), Math.max(0, left)] as const;
        const attributes = this.windowAttributes(pool, node, seen, before, [filterHeight, filterWidth]);
        return this.rebuilder.add(node.kernel, { x: image, dy: phases[index] }, attributes, value);
      },
    );
    const inputs = Object.fromEntries(parts.map((part, index) => [`t${index}`, part]));
    this.rebuilder.nodes.push({ kernel: 'AddN', inputs, attributes: {}, outputs: node.outputs });
  }
}

/**
 * Writes max poolings that are differentiated, with windows side by side and
 * without padding, as elementwise operations on the phases of their images:
 * the result is the largest of them. ONNX Runtime's own form finds positions
 * one by one, with channels first, and scatters to them: a training step of
 * LeNet-5 took 1.4 times as long with it (measured). A rectifier before the pooling
 * has the same derivative after it, where there is less to compute; the filter
 * of a first layer needs the phases of the gradient only.
 */
export const poolByPhases: GraphPass = (graph) => new Phases(graph).written();
