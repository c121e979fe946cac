import { dispose, type Tensor, tensor, tidy } from '../tfjs-core.js';
import type {
  CompiledProgram,
  CompiledSeries,
  Executor,
  ExecutorTensor,
  ExecutorTensors,
  SeriesInputs,
} from './executor.js';
import type { Program, ProgramInputs, TensorProgram } from './tensor-program.js';

const ours = (value: Tensor): ExecutorTensor => value as unknown as ExecutorTensor;
const theirs = (value: ExecutorTensor): Tensor => value as unknown as Tensor;

function asItIs(program: Program): CompiledProgram {
  return {
    run: async (inputs) => {
      const outputs = tidy(() => program(inputs as unknown as ProgramInputs) as never) as ExecutorTensors;
      // Kernels hold the thread: signals and the progress line have their turn in between.
      await new Promise((resolve) => setImmediate(resolve));
      return outputs;
    },
    dispose: async () => {},
  };
}

const numbersOf = (value: ExecutorTensor): Float32Array => theirs(value).dataSync() as Float32Array;

const disposeAll = (tensors: Readonly<ExecutorTensors>): void => {
  dispose(tensors as never);
};

/** The runs of a series one after the other. */
function oneByOne(
  { run: program, sampleInputs }: TensorProgram,
  batchSize: number,
  { carried, varied }: SeriesInputs,
): CompiledSeries {
  const { run, dispose } = asItIs(program);
  const shapes = tidy(() => {
    const samples = sampleInputs(batchSize);
    return varied.map((name): [string, number[]] => [name, samples[name].shape]);
  });
  return {
    run: async (inputs, numbers) => {
      let own: ExecutorTensors = {};
      const results = [];
      for (const each of numbers) {
        const given = Object.fromEntries(
          shapes.map(([name, shape]) => [name, ours(tensor(each[name], shape, 'float32'))]),
        );
        const outputs = await run({ ...inputs, ...own, ...given });
        disposeAll({ ...given, ...own });
        own = {};
        for (const [name, output] of Object.entries(carried)) {
          own[name] = outputs[output];
          delete outputs[output];
        }
        results.push(
          Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, numbersOf(value)])),
        );
        disposeAll(outputs);
      }
      return { carried: own, results };
    },
    dispose,
  };
}

/** Runs programs on the current tfjs backend, operation by operation. */
export const tfjsExecutor: Executor = {
  compiles: false,
  tensor: (values, shape) => ours(tensor(values, [...shape], 'float32')),
  values: numbersOf,
  release: disposeAll,
  prepare: async (program) => ({
    compile: async () => asItIs(program.run),
    compileSeries: async (batchSize, inputs) => oneByOne(program, batchSize, inputs),
    plans: null,
  }),
  rowProjector: null,
  matrixProducts: null,
};
