import type { AnalysisEngine } from '../backend.js';
import type {
  CompiledProgram,
  CompiledSeries,
  CompiledSplit,
  Executor,
  ExecutorTensor,
} from '../executor.js';
import { channelBlockSize } from './channel-block-size.js';
import { compileMatrixProducts } from './matrix-products.js';
import type { NativeOptions, NativeTensor } from './native-session.js';
import { TracedProgram } from './program.js';
import { compileRowProjector } from './row-projection.js';

const ours = (value: NativeTensor): ExecutorTensor => value as unknown as ExecutorTensor;
const theirs = (value: ExecutorTensor): NativeTensor => value as unknown as NativeTensor;

/**
 * Traces programs, once each, and runs them compiled by ONNX Runtime. Its tensors are views of the numbers they are
 * made of, and are collected as garbage.
 */
export function onnxExecutor(native: NativeOptions): Executor {
  const { runtime } = native;
  let block: Promise<number | null> | null = null;
  return {
    compiles: true,
    tensor: (values, shape) => ours(new runtime.Tensor('float32', values, [...shape])),
    values: (value) => theirs(value).data as Float32Array,
    release: () => {},
    prepare: async (program) => {
      const traced = TracedProgram.trace(program);
      if (native.channelBlock === undefined) {
        block ??= channelBlockSize(runtime);
      }
      const options = { ...native, channelBlock: native.channelBlock ?? (await block) };
      return {
        compile: async (batchSize) =>
          (await traced.compile(batchSize, options)) as unknown as CompiledProgram,
        compileSeries: async (batchSize, inputs) =>
          (await traced.compileSeries(batchSize, inputs, options)) as unknown as CompiledSeries,
        plans: {
          wholeCost: (batchSize) => traced.wholeCost(batchSize, options),
          splitCost: (batchSize, variable, keepUnfolded) =>
            traced.splitCost(batchSize, variable, keepUnfolded, options),
          compileSplit: async (batchSize, variable, keepUnfolded) =>
            (await traced.compileSplit(
              batchSize,
              variable,
              keepUnfolded,
              options,
            )) as unknown as CompiledSplit,
        },
      };
    },
    rowProjector: () => compileRowProjector(native),
    matrixProducts: () => compileMatrixProducts(native),
  };
}

/**
 * The executor that compiles for an engine; null where it has none.
 *
 * @param onModel called, and waited for, with every program before it is compiled
 */
export function compilingExecutor(
  { onnx }: Pick<AnalysisEngine, 'onnx'>,
  onModel?: NativeOptions['onModel'],
): Executor | null {
  return onnx === null ? null : onnxExecutor(onModel === undefined ? onnx : { ...onnx, onModel });
}
