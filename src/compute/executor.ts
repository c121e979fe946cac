/** How tensor programs are computed: what tfjs and ONNX Runtime have in common. */
import type { GraphCost } from './compile/graph-cost.js';
import type { NativeMatrixProducts } from './compile/matrix-products.js';
import type { RowProjector } from './compile/row-projection.js';
import type { TensorProgram } from './tensor-program.js';

declare const executorTensor: unique symbol;

/** A float32 tensor in the memory of the executor that made it. */
export interface ExecutorTensor {
  readonly [executorTensor]: true;
}

/** Inputs or outputs of a program, by name. */
export type ExecutorTensors = Record<string, ExecutorTensor>;

/** A program for one batch size. */
export interface CompiledProgram {
  /**
   * Runs the program. Inputs that it does not know are left out of account.
   *
   * @returns outputs by name, owned by the caller
   * @throws NotCompilableError when the executor cannot run it
   */
  run(inputs: ExecutorTensors): Promise<ExecutorTensors>;
  dispose(): Promise<void>;
}

/** Which inputs of a program differ between runs in a row; the others are the same in all of them. */
export interface SeriesInputs {
  /** Inputs that are outputs of the run before, and the names of these. */
  carried: Readonly<Record<string, string>>;
  /** Inputs that are given for every run. */
  varied: readonly string[];
}

/** A program that runs several times in a row, for one batch size. */
export interface CompiledSeries {
  /**
   * Runs the program as often as there are numbers for, once at least; how many runs are done at once changes no bit.
   *
   * @param inputs those of the first run that are carried, and those that are the same in all
   * @param varied for each run the numbers of the others
   * @returns what is carried after the last run, by the names of inputs and owned by the caller, and the numbers of
   *   the other outputs of each run
   * @throws NotCompilableError when the executor cannot run it
   */
  run(
    inputs: ExecutorTensors,
    varied: readonly Readonly<Record<string, Float32Array>>[],
  ): Promise<{ carried: ExecutorTensors; results: Record<string, Float32Array>[] }>;
  dispose(): Promise<void>;
}

/** A program cut at what depends on its variable inputs, for one batch size. */
export interface CompiledSplit {
  /** Run once for each batch; its outputs are inputs of `step`. */
  prologue: CompiledProgram;
  /** Run for each value of the variable inputs. */
  step: CompiledProgram;
  dispose(): Promise<void>;
}

/** What a split program takes, known before it is compiled. */
export interface SplitCost {
  prologue: GraphCost;
  step: GraphCost;
  /** The prologue's outputs, kept between steps, in bytes. */
  keptBytes: number;
}

/** What is known of a program that is compiled: its costs, and how it can be cut. */
export interface ProgramPlans {
  /** What the program as a whole takes at a batch size. */
  wholeCost(batchSize: number): GraphCost;
  /** What it takes cut at what depends on `variableInputs`. */
  splitCost(batchSize: number, variableInputs: readonly string[], keepUnfolded: boolean): SplitCost;
  /**
   * Compiles it so.
   *
   * @param keepUnfolded keeps unfolded images between steps, several times the
   *   memory of the images, instead of unfolding them in every step
   * @throws NotCompilableError
   */
  compileSplit(
    batchSize: number,
    variableInputs: readonly string[],
    keepUnfolded: boolean,
  ): Promise<CompiledSplit>;
}

/** A program that an executor has taken. */
export interface PreparedProgram {
  /** @throws NotCompilableError */
  compile(batchSize: number): Promise<CompiledProgram>;
  /** @throws NotCompilableError */
  compileSeries(batchSize: number, inputs: SeriesInputs): Promise<CompiledSeries>;
  /** Null where programs run as they are, operation by operation. */
  readonly plans: ProgramPlans | null;
}

/** Computes tensor programs. */
export interface Executor {
  /** Whether programs are compiled before they run: such programs are faster, and to be checked. */
  readonly compiles: boolean;
  /** A tensor over numbers that must not change while it is in use: they may or may not be copied. */
  tensor(values: Float32Array, shape: readonly number[]): ExecutorTensor;
  /** Its numbers; not to be changed, and valid until it is released. */
  values(tensor: ExecutorTensor): Float32Array;
  /** Frees tensors; each once. */
  release(tensors: Readonly<ExecutorTensors>): void;
  /** @throws NotCompilableError where a program is not the same for every batch size */
  prepare(program: TensorProgram): Promise<PreparedProgram>;
  /** Products with rows that are as many as one likes; null where plain loops are as fast. */
  readonly rowProjector: (() => Promise<RowProjector>) | null;
  /** Products of matrices in float64; null where plain loops are as fast. */
  readonly matrixProducts: (() => Promise<NativeMatrixProducts>) | null;
}
