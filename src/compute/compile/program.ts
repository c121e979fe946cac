import type { SeriesInputs, SplitCost } from '../executor.js';
import type { TensorProgram } from '../tensor-program.js';
import { blockConvolutions } from './block-convolutions.js';
import { blockFilterGradients } from './block-filter-gradients.js';
import { BLOCK_CHANNELS } from './channel-blocks.js';
import { foldChannelFactors } from './channel-factors.js';
import { UNFOLD } from './convolution-lowering.js';
import { BLOCK_EXAMPLES, BLOCK_OUTPUT_GRADIENT } from './example-blocks.js';
import { foldPadding } from './fold-padding.js';
import type { Graph, GraphNode } from './graph.js';
import { bytesOf, type GraphCost, graphCost } from './graph-cost.js';
import { compileNative, type NativeOptions, type NativeProgram } from './native-session.js';
import { poolByPhases } from './pool-phases.js';
import { separatePoolMaxima } from './pool-positions.js';
import { sumProducts } from './product-sums.js';
import {
  type SplitGraph,
  separateFixedTransposes,
  splitGraph,
  unfoldFilterGradients,
} from './restructure.js';
import { fuseScaledSums } from './scaled-sums.js';
import { separateFused } from './separate-fused.js';
import { compileSeries, type NativeSeries } from './series.js';
import { simplify, stepsOfRectified } from './simplify.js';
import { stayBlocked } from './stay-blocked.js';
import { phaseInputGradients } from './strided-input-gradients.js';
import { convolveSubsampling, withoutTranspositions } from './subsampling.js';
import { type GraphTemplate, traceTemplate } from './trace.js';

/** A program cut at what depends on its variable inputs, for one batch size. */
export interface SplitProgram {
  /** Run once for each batch; its outputs are inputs of `step`. */
  prologue: NativeProgram;
  /** Run for each value of the variable inputs. */
  step: NativeProgram;
  dispose(): Promise<void>;
}

/** Images arranged anew: not worth keeping beside the images where memory is short. */
const REARRANGEMENTS = [UNFOLD, BLOCK_CHANNELS, BLOCK_EXAMPLES, BLOCK_OUTPUT_GRADIENT];
const isRearrangement = ({ kernel }: GraphNode): boolean => REARRANGEMENTS.includes(kernel);

const convolves = ({ nodes }: Graph): boolean => nodes.some(({ kernel }) => /conv2d/i.test(kernel));

/** Convolutions and their gradients over blocks, where ONNX Runtime has them. */
function overBlocks(graph: Graph, block: number | null): Graph {
  if (!convolves(graph)) {
    return graph;
  }
  const phased = phaseInputGradients(convolveSubsampling(graph, block), block);
  return simplify(stayBlocked(blockFilterGradients(blockConvolutions(phased, block), block), block));
}

/** A traced tensor program that can be compiled for any batch size. */
export class TracedProgram {
  /** By pass, of the batch size that was last asked for. */
  private readonly latest = new Map<string, { batchSize: number; block: number | null; graph: Graph }>();

  private constructor(
    private readonly template: GraphTemplate,
    private readonly name: string,
  ) {}

  /**
   * Traces a program, by its shapes where they suffice.
   *
   * @throws NotCompilableError
   */
  static trace({ name, run, sampleInputs }: TensorProgram): TracedProgram {
    return new TracedProgram(traceTemplate(run, sampleInputs), name);
  }

  /** Whether it convolves images or passes gradients back through such a convolution. */
  get hasConvolutions(): boolean {
    return convolves(this.template.instantiate(1));
  }

  /** A pass's graph of a batch size; costs, plans and programs ask for the same one several times in a row. */
  private remembered(pass: string, batchSize: number, block: number | null, graph: () => Graph): Graph {
    const known = this.latest.get(pass);
    if (known?.batchSize === batchSize && known.block === block) {
      return known.graph;
    }
    const made = graph();
    this.latest.set(pass, { batchSize, block, graph: made });
    return made;
  }

  private simplified(batchSize: number): Graph {
    return this.remembered('simplified', batchSize, null, () => {
      const plain = simplify(separateFused(this.template.instantiate(batchSize)));
      return convolves(plain)
        ? simplify(foldChannelFactors(simplify(foldPadding(withoutTranspositions(plain)))))
        : plain;
    });
  }

  /** Convolutions and filter gradients over blocks, where ONNX Runtime has them. */
  private blocked(batchSize: number, block: number | null): Graph {
    return this.remembered('blocked', batchSize, block, () => overBlocks(this.simplified(batchSize), block));
  }

  private split(
    batchSize: number,
    variableInputs: readonly string[],
    keepUnfolded: boolean,
    { channelBlock }: NativeOptions,
  ): SplitGraph {
    const blocked = this.blocked(batchSize, channelBlock ?? null);
    const separated = separatePoolMaxima(separateFixedTransposes(blocked, variableInputs), variableInputs);
    const restructured = simplify(unfoldFilterGradients(separated, variableInputs, keepUnfolded));
    return splitGraph(restructured, variableInputs, keepUnfolded ? () => false : isRearrangement);
  }

  /** What the split program will take at a batch size. */
  splitCost(
    batchSize: number,
    variableInputs: readonly string[],
    keepUnfolded: boolean,
    options: NativeOptions,
  ): SplitCost {
    const { prologue, step } = this.split(batchSize, variableInputs, keepUnfolded, options);
    const keptBytes = Object.values(prologue.outputs).reduce((sum, id) => sum + bytesOf(prologue, id), 0);
    return { prologue: graphCost(prologue), step: graphCost(step), keptBytes };
  }

  /**
   * Compiles the program in two parts.
   *
   * @param keepUnfolded keeps unfolded images between steps, several times the
   *   memory of the images, instead of unfolding them in every step
   * @throws NotCompilableError when a kernel has no lowering
   */
  async compileSplit(
    batchSize: number,
    variableInputs: readonly string[],
    keepUnfolded: boolean,
    options: NativeOptions,
  ): Promise<SplitProgram> {
    const graphs = this.split(batchSize, variableInputs, keepUnfolded, options);
    const suffix = `${keepUnfolded ? '-unfolded' : ''}-${batchSize}`;
    const prologue = await compileNative(graphs.prologue, `${this.name}-prologue${suffix}`, options);
    const step = await compileNative(graphs.step, `${this.name}-step${suffix}`, options);
    return {
      prologue,
      step,
      dispose: async () => {
        await prologue.dispose();
        await step.dispose();
      },
    };
  }

  private whole(batchSize: number, { channelBlock }: NativeOptions): Graph {
    const block = channelBlock ?? null;
    return this.remembered('whole', batchSize, block, () => {
      const phased = simplify(poolByPhases(stepsOfRectified(this.simplified(batchSize))));
      const unfolded = unfoldFilterGradients(overBlocks(phased, block), [], false);
      return simplify(fuseScaledSums(sumProducts(simplify(unfolded), block), block));
    });
  }

  /** What the program as a whole will take at a batch size. */
  wholeCost(batchSize: number, options: NativeOptions): GraphCost {
    return graphCost(this.whole(batchSize, options));
  }

  /** Compiles the program as a whole. */
  compile(batchSize: number, options: NativeOptions): Promise<NativeProgram> {
    return compileNative(this.whole(batchSize, options), `${this.name}-${batchSize}`, options);
  }

  /** Compiles it to run several times in a row. */
  compileSeries(batchSize: number, inputs: SeriesInputs, options: NativeOptions): Promise<NativeSeries> {
    return compileSeries(this.whole(batchSize, options), `${this.name}-${batchSize}`, inputs, options);
  }
}
