import type { Lowering } from './builder.js';
import { BLOCK_CHANNELS, UNBLOCK_CHANNELS } from './channel-blocks.js';
import { BLOCK_OUTPUT_GRADIENT } from './example-blocks.js';
import { elementCount, type Graph, type GraphNode, graphValue, isSameShape, type ValueId } from './graph.js';
import { axes } from './kernel-inputs.js';
import { Rebuilder } from './rebuilder.js';

/**
 * Sums of images in blocks of channels, [batch, channels / B, height, width,
 * B], over everything but channels: one for each.
 */
export const BLOCKED_SUM = 'PruneLimitBlockedSum';

/** Kernels that take every number by itself. */
const UNARY = new Set([
  'Relu',
  'Step',
  'Sign',
  'Square',
  'Neg',
  'Sigmoid',
  'Tanh',
  'Elu',
  'Relu6',
  'LeakyRelu',
]);
const BINARY = new Set(['Add', 'Sub', 'Multiply', 'Maximum', 'Minimum']);

/**
 * Keeps images in blocks of channels between convolutions: what is computed
 * number by number or channel by channel, batch normalisation above all, is
 * computed on the blocks. Otherwise each convolution arranges its image anew, and its
 * result, and numbers for each of more channels than a block holds take a pass over memory each.
 *
 * Images of one block of channels are the same either way.
 *
 * @param block channels in a block, of ONNX Runtime on this machine; null for
 *   none: the graph stays as it is
 */
export function stayBlocked(graph: Graph, block: number | null): Graph {
  return block === null ? graph : new Residence(graph, block).written();
}

class Residence {
  private readonly rebuilder: Rebuilder;
  /** For images with channels last, the same in blocks: [batch, channels / B, height, width, B]. */
  private readonly blocks = new Map<ValueId, ValueId>();

  constructor(
    private readonly graph: Graph,
    private readonly block: number,
  ) {
    this.rebuilder = new Rebuilder(graph);
  }

  written(): Graph {
    return this.rebuilder.rewritten((node) => this.write(node));
  }

  /** Writes a node on blocks where its images are there. */
  private write(node: GraphNode): boolean {
    const { kernel, inputs, outputs } = node;
    if (kernel === UNBLOCK_CHANNELS) {
      const channels = graphValue(this.graph, inputs.x).shape[1];
      if (this.isWide(outputs[0]) && channels === graphValue(this.graph, outputs[0]).shape[3]) {
        this.blocks.set(outputs[0], this.rebuilder.reshape(inputs.x, this.blockedShape(outputs[0])));
      }
      return false;
    }
    if (kernel === BLOCK_CHANNELS) {
      return this.writeOnBlocks(inputs.x, (x) => {
        const { shape } = graphValue(this.graph, outputs[0]);
        return { ...node, kernel: 'Reshape', inputs: { x }, attributes: { shape } };
      });
    }
    if (kernel === BLOCK_OUTPUT_GRADIENT) {
      return this.writeOnBlocks(inputs.dy, (dy) => ({ ...node, inputs: { dy } }));
    }
    if (kernel === 'Sum') {
      const over = axes(node, graphValue(this.graph, inputs.x).shape.length);
      const overPositions = over.length === 3 && over.every((axis, index) => axis === index);
      return (
        overPositions &&
        this.writeOnBlocks(inputs.x, (x) => ({ ...node, kernel: BLOCKED_SUM, inputs: { x } }))
      );
    }
    return (UNARY.has(kernel) || BINARY.has(kernel)) && this.writeElementwise(node);
  }

  /** Adds a node that reads an image, where that is there in blocks. */
  private writeOnBlocks(image: ValueId, node: (blocked: ValueId) => GraphNode): boolean {
    const blocked = this.blocks.get(image);
    if (blocked !== undefined) {
      this.rebuilder.nodes.push(node(blocked));
    }
    return blocked !== undefined;
  }

  private writeElementwise({ kernel, inputs, attributes, outputs }: GraphNode): boolean {
    const [output] = outputs;
    const operands = Object.values(inputs);
    const fits = (id: ValueId): boolean => this.isImage(id, output) || this.isCoefficient(id, output);
    if (!this.isWide(output) || !operands.some((id) => this.blocks.has(id)) || !operands.every(fits)) {
      return false;
    }
    const onBlocks = Object.fromEntries(
      Object.entries(inputs).map(([name, id]) => [
        name,
        this.isImage(id, output) ? this.blocked(id) : this.coefficient(id),
      ]),
    );
    const value = { shape: this.blockedShape(output), type: 'float32' } as const;
    const result = this.rebuilder.add(kernel, onBlocks, attributes, value);
    this.blocks.set(output, result);
    const [batch, height, width, channels] = graphValue(this.graph, output).shape;
    this.rebuilder.nodes.push({
      kernel: UNBLOCK_CHANNELS,
      inputs: { x: this.rebuilder.reshape(result, [batch, channels, height, width]) },
      attributes: { block: this.block, channels },
      outputs,
    });
    return true;
  }

  /** An image in blocks: arranged so now, where it is not yet. */
  private blocked(image: ValueId): ValueId {
    const known = this.blocks.get(image);
    if (known !== undefined) {
      return known;
    }
    const [batch, height, width, channels] = graphValue(this.graph, image).shape;
    const arranged = this.rebuilder.add(
      BLOCK_CHANNELS,
      { x: image },
      { block: this.block },
      { shape: [batch, channels, height, width], type: 'float32' },
    );
    const result = this.rebuilder.reshape(arranged, this.blockedShape(image));
    this.blocks.set(image, result);
    return result;
  }

  /** A number for each channel, arranged as the channels are; one for all as it is. */
  private coefficient(id: ValueId): ValueId {
    const size = elementCount(graphValue(this.graph, id).shape);
    return size === 1 || this.graph.constants.get(id)?.kind === 'uniform'
      ? id
      : this.rebuilder.reshape(id, [size / this.block, 1, 1, this.block]);
  }

  private isWide(id: ValueId): boolean {
    const { shape, type } = graphValue(this.graph, id);
    return type === 'float32' && shape.length === 4 && shape[3] > this.block && shape[3] % this.block === 0;
  }

  private isImage(id: ValueId, like: ValueId): boolean {
    const { type } = graphValue(this.graph, id);
    return type === 'float32' && !this.graph.constants.has(id) && isSameShape(this.graph, id, like);
  }

  private isCoefficient(id: ValueId, of: ValueId): boolean {
    const { shape, type } = graphValue(this.graph, id);
    const size = elementCount(shape);
    const isUniform = this.graph.constants.get(id)?.kind === 'uniform';
    const channels = graphValue(this.graph, of).shape[3];
    return (
      type === 'float32' && (isUniform || size === 1 || (size === channels && shape.at(-1) === channels))
    );
  }

  private blockedShape(id: ValueId): number[] {
    const [batch, height, width, channels] = graphValue(this.graph, id).shape;
    return [batch, channels / this.block, height, width, this.block];
  }
}

const blockedSum: Lowering = (node, builder) => {
  const [batch, blocks, height, width, block] = builder.value(node.inputs.x).shape;
  const rows = builder.reshape(builder.full(node.inputs.x), [batch * blocks, height * width, block]);
  const sum = (of: string, axis: number): string =>
    builder.add('ReduceSum', [of, builder.integers([axis])], { keepdims: 0 });
  const ofExamples = builder.reshape(sum(rows, 1), [batch, blocks * block]);
  return [builder.reshape(sum(ofExamples, 0), builder.value(node.outputs[0]).shape)];
};

/** Lowerings of {@link BLOCKED_SUM}. */
export const blockedSumLowerings: Readonly<Record<string, Lowering>> = { [BLOCKED_SUM]: blockedSum };
