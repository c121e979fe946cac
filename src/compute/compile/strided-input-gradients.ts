import type { ConvolutionGeometry } from '../array-kernels.js';
import { isBlockable } from './block-convolutions.js';
import { convolutionGeometry } from './convolution-lowering.js';
import {
  countReads,
  type Graph,
  type GraphNode,
  type GraphValue,
  graphValue,
  isSameShape,
  type ValueId,
} from './graph.js';
import { FROM_PHASES, PHASE_FILTER, type PhaseTaps } from './phases.js';
import { Rebuilder } from './rebuilder.js';
import { eliminateDeadNodes } from './simplify.js';

/** How many times a filter's columns may be computed, counting those that a phase does not have. */
const LARGEST_WASTE = 2;

/** Rows or columns of the input in one phase: which taps reach it, and from where. */
interface Reach {
  /** Tap for each position that is read, in their order; null between taps. */
  taps: readonly (number | null)[];
  /** Zeros before and after the output gradient. */
  padding: readonly [before: number, after: number];
}

/** One direction of a strided convolution. */
interface Direction {
  inExtent: number;
  outExtent: number;
  filter: number;
  stride: number;
  before: number;
}

/**
 * What the given phases of the input read of the output gradient, all of the
 * same positions: tap i reaches input s q + p from position q + (p + before - i) / s.
 * Without a tap null.
 */
function reachOf({ inExtent, outExtent, filter, stride, before }: Direction, phases: readonly number[]) {
  const positions = phases.map((phase) =>
    Array.from({ length: filter }, (_, tap) => ({ tap, at: (phase + before - tap) / stride })).filter(
      ({ at }) => Number.isInteger(at),
    ),
  );
  const all = positions.flat().map(({ at }) => at);
  if (all.length === 0) {
    return null;
  }
  const [first, last] = [Math.min(...all), Math.max(...all)];
  const padding = [-first, Math.ceil(inExtent / stride) + last - outExtent] as const;
  return positions.map((own): Reach => {
    const taps = Array.from(
      { length: last - first + 1 },
      (_, index) => own.find(({ at }) => at === first + index)?.tap ?? null,
    );
    return { taps, padding };
  });
}

function directionsOf(geometry: ConvolutionGeometry): { down: Direction; across: Direction } {
  const { inHeight, inWidth, outHeight, outWidth, filterHeight, filterWidth, padInfo } = geometry;
  return {
    down: {
      inExtent: inHeight,
      outExtent: outHeight,
      filter: filterHeight,
      stride: geometry.strideHeight,
      before: padInfo.top,
    },
    across: {
      inExtent: inWidth,
      outExtent: outWidth,
      filter: filterWidth,
      stride: geometry.strideWidth,
      before: padInfo.left,
    },
  };
}

/** An input gradient as one image for each phase of rows, the phases of columns as channels; null for zeros. */
interface Phased {
  rows: readonly (ValueId | null)[];
  strides: readonly [number, number];
}

/**
 * Writes input gradients of strided convolutions as convolutions of stride 1,
 * one for each phase of rows, where those can be over blocks of channels: that
 * takes half to two thirds of the time of ONNX Runtime's transposed
 * convolution, which is of channels first (measured). Phases of columns are
 * channels of one convolution, so that what has to be put together is whole
 * rows. Sums of two are those of their phases, which the second convolution adds.
 *
 * @param block channels in a block, of ONNX Runtime on this machine; null for
 *   none: the graph stays as it is
 */
export function phaseInputGradients(graph: Graph, block: number | null): Graph {
  return block === null ? graph : new InputGradients(graph, block).written();
}

class InputGradients {
  private readonly rebuilder: Rebuilder;
  private readonly reads: Map<ValueId, number>;
  private readonly phased = new Map<ValueId, Phased>();

  constructor(
    private readonly graph: Graph,
    private readonly block: number,
  ) {
    this.rebuilder = new Rebuilder(graph);
    this.reads = countReads(graph);
  }

  written(): Graph {
    for (const node of this.graph.nodes) {
      const phased =
        node.kernel === 'Conv2DBackpropInput'
          ? this.ofConvolution(node)
          : node.kernel === 'Add'
            ? this.ofSum(node)
            : null;
      if (phased === null) {
        this.rebuilder.nodes.push(node);
      } else {
        this.phased.set(node.outputs[0], phased);
        this.putTogether(phased, node.outputs[0]);
      }
    }
    return this.phased.size === 0 ? this.graph : eliminateDeadNodes(this.rebuilder.finish());
  }

  private ofConvolution(node: GraphNode): Phased | null {
    const { filter } = node.inputs;
    const inputShape = node.attributes.inputShape as number[];
    const geometry = convolutionGeometry(node, inputShape, graphValue(this.graph, filter).shape, false);
    const { strideHeight, strideWidth, dilationHeight, dilationWidth, filterWidth } = geometry;
    const { down, across } = directionsOf(geometry);
    const columns = reachOf(across, [...Array(strideWidth).keys()]);
    if (
      strideHeight * strideWidth === 1 ||
      dilationHeight * dilationWidth !== 1 ||
      columns === null ||
      columns.length * columns[0].taps.length > LARGEST_WASTE * filterWidth
    ) {
      return null;
    }
    const rows: (GraphNode | null)[] = [];
    const start = this.rebuilder.nodes.length;
    for (let phase = 0; phase < strideHeight; phase++) {
      const row = reachOf(down, [phase])?.[0];
      rows.push(row === undefined ? null : this.convolution(node.inputs, geometry, row, columns));
    }
    const convolutions = rows.filter((row) => row !== null);
    if (!convolutions.every((row) => isBlockable(this.rebuilder, row, this.block))) {
      this.rebuilder.nodes.splice(start);
      return null;
    }
    return { rows: rows.map((row) => row?.outputs[0] ?? null), strides: [strideHeight, strideWidth] };
  }

  private convolution(
    { dy, filter }: Readonly<Record<string, ValueId>>,
    geometry: ConvolutionGeometry,
    rows: Reach,
    columns: readonly Reach[],
  ): GraphNode {
    const { batchSize, inHeight, inWidth, inChannels, outChannels, strideHeight, strideWidth } = geometry;
    const channels = strideWidth * inChannels;
    const taps: PhaseTaps = { rows: rows.taps, columns: columns.map((column) => column.taps) };
    const phaseFilter = this.rebuilder.add(
      PHASE_FILTER,
      { filter },
      { taps },
      { shape: [rows.taps.length, columns[0].taps.length, outChannels, channels], type: 'float32' },
    );
    const attributes = {
      strides: [1, 1],
      dilations: [1, 1],
      pad: [[0, 0], rows.padding, columns[0].padding, [0, 0]],
      dataFormat: 'NHWC',
      dimRoundingMode: 'floor',
    };
    const shape = [batchSize, Math.ceil(inHeight / strideHeight), Math.ceil(inWidth / strideWidth), channels];
    this.rebuilder.add('Conv2D', { x: dy, filter: phaseFilter }, attributes, { shape, type: 'float32' });
    return this.rebuilder.nodes[this.rebuilder.nodes.length - 1];
  }

  /** A sum of two gradients that nothing else reads, phase by phase. */
  private ofSum({ inputs: { a, b } }: GraphNode): Phased | null {
    const [first, second] = [a, b].map((id) => (this.reads.get(id) === 1 ? this.phased.get(id) : undefined));
    if (
      first === undefined ||
      second === undefined ||
      !isSameShape(this.graph, a, b) ||
      first.strides.some((stride, axis) => stride !== second.strides[axis])
    ) {
      return null;
    }
    const rows = first.rows.map((row, phase) => {
      const other = second.rows[phase];
      return row === null || other === null
        ? (row ?? other)
        : this.rebuilder.add('Add', { a: row, b: other }, {}, this.value(row));
    });
    return { rows, strides: first.strides };
  }

  private value(id: ValueId): GraphValue {
    return graphValue(this.rebuilder, id);
  }

  /** Writes the image of which these are the phases, without the rows and columns after its last. */
  private putTogether({ rows, strides: [down, across] }: Phased, output: ValueId): void {
    const result = graphValue(this.graph, output);
    const given = rows.filter((row) => row !== null);
    const [batch, height, width, wide] = this.value(given[0]).shape;
    const shape = [batch, height, width * across, wide / across];
    const image = (row: ValueId | null): ValueId =>
      row === null ? this.rebuilder.zeros(shape) : this.rebuilder.reshape(row, shape);
    const inputs = Object.fromEntries(rows.map((row, phase) => [`p${phase}`, image(row)]));
    const covered = [batch, height * down, width * across, wide / across];
    const attributes = { strides: [down, 1] };
    if (covered.every((extent, axis) => extent === result.shape[axis])) {
      this.rebuilder.nodes.push({ kernel: FROM_PHASES, inputs, attributes, outputs: [output] });
      return;
    }
    const whole = this.rebuilder.add(FROM_PHASES, inputs, attributes, { shape: covered, type: 'float32' });
    this.rebuilder.nodes.push({
      kernel: 'Slice',
      inputs: { x: whole },
      attributes: { begin: [0, 0, 0, 0], size: result.shape },
      outputs: [output],
    });
  }
}
