import type { Lowering } from './builder.js';
import { BLOCKED_DOMAIN } from './channel-blocks.js';
import { countReads, elementCount, type Graph, type GraphNode, graphValue, type ValueId } from './graph.js';
import type { OnnxAttribute } from './onnx-model.js';
import { Rebuilder } from './rebuilder.js';

/**
 * x * scale + offset + sum, then an activation, in one pass over memory.
 *
 * ONNX Runtime passes over a tensor for every product and every sum. Its
 * convolution over blocks of channels, with a filter of one tap for each
 * channel, does all of it at once, and takes as long as one of them (measured):
 * the numbers of a tensor in groups of a block are such channels, whatever they are.
 */
export const SCALED_SUM = 'PruneLimitScaledSum';

/** Fewer numbers are not worth a node of their own kind. */
const SMALLEST_SIZE = 4096;

/** What makes a number of either sign at least 1 or -1, where it is cut off then: those below 1e-38 stay smaller. */
const SIGN_SCALE = 3e38;

/** How long signs, steps and operations with a number for each of few channels take, in passes (measured: 2.2, 1.25 and 1.6). */
const PASSES_OF: Readonly<Record<string, number>> = { Sign: 2, Step: 1.25 };
const PASSES_BY_CHANNEL = 1.5;

const LINEAR = new Set(['Multiply', 'Add', 'Sub']);

const ACTIVATIONS: Readonly<Record<string, Record<string, OnnxAttribute>>> = {
  Relu: { activation: 'Relu' },
  Sign: { activation: 'Clip', activation_params: { floats: [-1, 1] } },
  Step: { activation: 'Clip', activation_params: { floats: [0, 1] } },
};

/**
 * Sum of tensors of one shape, each with a factor, and of an offset; factors are scalars or one number a channel, as a
 * vector.
 */
interface Sum {
  terms: readonly { value: ValueId; scale: ValueId | null }[];
  offset: ValueId | null;
  /** What computing it node by node takes, in passes over memory. */
  passes: number;
}

/**
 * Writes products with scalars or numbers of a channel, sums of them, and the
 * activations and signs of the sums with one pass for each tensor that is read.
 *
 * @param block channels in a block, of ONNX Runtime on this machine; null for
 *   none: the graph stays as it is
 */
export function fuseScaledSums(graph: Graph, block: number | null): Graph {
  return block === null ? graph : new Fusion(graph, block).written();
}

class Fusion {
  private readonly rebuilder: Rebuilder;
  private readonly reads: Map<ValueId, number>;
  private readonly sums = new Map<ValueId, Sum>();
  /** Values that nodes compute: their memory can be written over after the last read. */
  private readonly computed = new Set<ValueId>();
  private readonly minusOne: ValueId;

  constructor(
    private readonly graph: Graph,
    private readonly block: number,
  ) {
    this.rebuilder = new Rebuilder(graph);
    this.reads = countReads(graph);
    this.minusOne = this.rebuilder.scalar(-1);
  }

  written(): Graph {
    for (const node of this.graph.nodes) {
      if (!this.write(node)) {
        this.rebuilder.nodes.push(node);
      }
      for (const output of node.outputs) {
        this.computed.add(output);
      }
    }
    return this.rebuilder.finish();
  }

  /** Writes a node as a scaled sum where that takes fewer passes. */
  private write(node: GraphNode): boolean {
    const [output] = node.outputs;
    const { shape, type } = graphValue(this.graph, output);
    if (type !== 'float32' || elementCount(shape) % this.block !== 0 || elementCount(shape) < SMALLEST_SIZE) {
      return false;
    }
    if (node.kernel === 'Relu') {
      const sum = this.sumOf(node.inputs.x);
      return this.emit({ ...sum, passes: sum.passes + 1 }, output, 'Relu');
    }
    const passes = PASSES_OF[node.kernel];
    if (passes !== undefined && (node.attributes.alpha ?? 0) === 0) {
      const terms = [{ value: node.inputs.x, scale: this.rebuilder.scalar(SIGN_SCALE) }];
      return this.emit({ terms, offset: null, passes }, output, node.kernel);
    }
    const sum = this.linear(node, shape);
    if (sum === null) {
      return false;
    }
    this.sums.set(output, sum);
    return this.emit(sum, output, null);
  }

  /** What a value is the sum of, where nothing else reads it; else itself. */
  private sumOf(value: ValueId): Sum {
    const sum = this.reads.get(value) === 1 ? this.sums.get(value) : undefined;
    return sum ?? { terms: [{ value, scale: null }], offset: null, passes: 0 };
  }

  private linear({ kernel, inputs }: GraphNode, shape: readonly number[]): Sum | null {
    if (!LINEAR.has(kernel)) {
      return null;
    }
    const swapped = kernel !== 'Sub' && this.isCoefficient(inputs.a, shape);
    const [whole, other] = swapped ? [inputs.b, inputs.a] : [inputs.a, inputs.b];
    if (!this.isWhole(whole, shape)) {
      return null;
    }
    const sum = this.sumOf(whole);
    if (this.isCoefficient(other, shape)) {
      return this.withCoefficient(kernel, sum, this.coefficient(other));
    }
    if (kernel === 'Multiply' || !this.isWhole(other, shape)) {
      return null;
    }
    const second = kernel === 'Add' ? this.sumOf(other) : this.scaled(this.sumOf(other), this.minusOne);
    return {
      terms: [...sum.terms, ...second.terms],
      offset: this.total(sum.offset, second.offset),
      passes: sum.passes + second.passes + 1,
    };
  }

  private withCoefficient(kernel: string, sum: Sum, coefficient: ValueId): Sum {
    const passes = sum.passes + (this.sizeOf(coefficient) === 1 ? 1 : PASSES_BY_CHANNEL);
    if (kernel === 'Multiply') {
      return { ...this.scaled(sum, coefficient), passes };
    }
    const added = kernel === 'Add' ? coefficient : this.product(coefficient, this.minusOne);
    return { ...sum, offset: this.total(sum.offset, added), passes };
  }

  private scaled({ terms, offset, passes }: Sum, factor: ValueId): Sum {
    return {
      terms: terms.map(({ value, scale }) => ({ value, scale: this.product(scale, factor) })),
      offset: offset === null ? null : this.product(offset, factor),
      passes,
    };
  }

  /** Writes a sum into a value that has one already; false, and writes nothing, where that takes no fewer passes. */
  private emit({ terms, offset, passes }: Sum, output: ValueId, activation: string | null): boolean {
    const start = terms.length > 1 ? terms.findIndex(({ scale }) => scale === null) : -1;
    const added = start < 0 ? null : terms[start].value;
    // What is still read, or is not the program's, is copied before it is added to.
    const copied = added !== null && !(this.computed.has(added) && this.reads.get(added) === 1);
    const steps = terms.filter((_, index) => index !== start);
    if (steps.length + (copied ? 1 : 0) >= passes) {
      return false;
    }
    const value = graphValue(this.graph, output);
    let sum = added;
    steps.forEach(({ value: x, scale }, index) => {
      const last = index === steps.length - 1;
      const inputs = {
        x,
        ...(scale === null ? {} : { scale }),
        ...(last && offset !== null ? { offset } : {}),
        ...(sum === null ? {} : { sum }),
      };
      const attributes = { block: this.block, ...(last && activation !== null ? { activation } : {}) };
      if (last) {
        this.rebuilder.nodes.push({ kernel: SCALED_SUM, inputs, attributes, outputs: [output] });
      } else {
        sum = this.rebuilder.add(SCALED_SUM, inputs, attributes, value);
      }
    });
    return true;
  }

  private isWhole(id: ValueId, shape: readonly number[]): boolean {
    const value = graphValue(this.graph, id);
    return (
      !this.graph.constants.has(id) &&
      value.type === 'float32' &&
      value.shape.length === shape.length &&
      value.shape.every((extent, axis) => extent === shape[axis])
    );
  }

  /**
   * Whether a value is one number, or one for each channel, where the channels of a block are whole pixels or an image
   * is in blocks of channels.
   */
  private isCoefficient(id: ValueId, of: readonly number[]): boolean {
    if (this.graph.constants.get(id)?.kind === 'uniform') {
      return true;
    }
    const { shape } = graphValue(this.graph, id);
    const size = elementCount(shape);
    const ofPixels = size === shape.at(-1) && size === of.at(-1) && this.block % size === 0;
    return size === 1 || ofPixels || this.isOfBlocks(shape, of);
  }

  /** Whether a shape [blocks, 1, 1, B] has a number for each channel of an image [batch, blocks, height, width, B]. */
  private isOfBlocks(shape: readonly number[], of: readonly number[]): boolean {
    const wanted = [of[1], 1, 1, this.block];
    return of.length === 5 && shape.length === 4 && wanted.every((extent, axis) => extent === shape[axis]);
  }

  /** A coefficient as a vector of its own size, or as a scalar constant. */
  private coefficient(id: ValueId): ValueId {
    const constant = this.graph.constants.get(id);
    if (constant?.kind === 'uniform') {
      return this.rebuilder.scalar(constant.value);
    }
    return this.rebuilder.reshape(id, [elementCount(graphValue(this.graph, id).shape)]);
  }

  private sizeOf(coefficient: ValueId): number {
    return elementCount(this.rebuilder.values.get(coefficient)?.shape ?? []);
  }

  /** A product of coefficients; null stands for 1. */
  private product(a: ValueId | null, b: ValueId): ValueId {
    return a === null ? b : this.combined('Multiply', a, b);
  }

  /** A sum of coefficients; null stands for 0. */
  private total(a: ValueId | null, b: ValueId | null): ValueId | null {
    return a === null ? b : b === null ? a : this.combined('Add', a, b);
  }

  private combined(kernel: 'Multiply' | 'Add', a: ValueId, b: ValueId): ValueId {
    const [small, large] = this.sizeOf(a) <= this.sizeOf(b) ? [a, b] : [b, a];
    const [size, length] = [this.sizeOf(small), this.sizeOf(large)];
    if (size === 1 || size === length) {
      return this.rebuilder.add(kernel, { a, b }, {}, { shape: [length], type: 'float32' });
    }
    // The same number for each block of channels, with one for each channel.
    const blocks = [length / size, size];
    const combined = this.rebuilder.add(
      kernel,
      { a: small, b: this.rebuilder.reshape(large, blocks) },
      {},
      { shape: blocks, type: 'float32' },
    );
    return this.rebuilder.reshape(combined, [length]);
  }
}

/** Rows of a tensor in blocks, so that threads can share them: the most up to this. */
const MOST_ROWS = 128;

/** A tensor as an image whose channels are the numbers of a block: [1, B, rows, columns]. */
function asBlocks(shape: readonly number[], block: number): number[] {
  const positions = elementCount(shape) / block;
  let rows = MOST_ROWS;
  while (positions % rows !== 0) {
    rows--;
  }
  return [1, block, rows, positions / rows];
}

const scaledSum: Lowering = (node, builder) => {
  const { x, scale, offset, sum } = node.inputs;
  const block = node.attributes.block as number;
  const activation = node.attributes.activation as string | undefined;
  const { shape } = builder.value(node.outputs[0]);
  const sizeOf = (id: ValueId | undefined): number =>
    id === undefined ? 1 : elementCount(builder.value(id).shape);
  const channels = Math.max(block, sizeOf(scale), sizeOf(offset));
  const image = channels === block ? asBlocks(shape, block) : [shape[0], channels, shape[2], shape[3]];
  const arranged = (id: ValueId): string => builder.reshape(builder.full(id), image);
  const coefficients = (id: ValueId | undefined, value: number): string => {
    const given = id === undefined ? builder.scalar(value) : builder.tensor(id);
    const size = sizeOf(id);
    return builder.add('Expand', [
      builder.reshape(given, [1, size]),
      builder.integers([channels / size, size]),
    ]);
  };
  const optional = [
    offset === undefined ? '' : builder.reshape(coefficients(offset, 0), [channels]),
    sum === undefined ? '' : arranged(sum),
  ];
  const result = builder.add(
    `${BLOCKED_DOMAIN}.Conv`,
    [
      arranged(x),
      builder.reshape(coefficients(scale, 1), [channels, 1, 1, 1]),
      ...optional.slice(0, sum === undefined ? (offset === undefined ? 0 : 1) : 2),
    ],
    {
      kernel_shape: [1, 1],
      strides: [1, 1],
      dilations: [1, 1],
      pads: [0, 0, 0, 0],
      group: channels,
      ...(activation === undefined ? {} : ACTIVATIONS[activation]),
    },
  );
  return [builder.reshape(result, shape)];
};

/** Lowerings of {@link SCALED_SUM}. */
export const scaledSumLowerings: Readonly<Record<string, Lowering>> = { [SCALED_SUM]: scaledSum };
