import { dispose, type Tensor, tensor, tidy } from '../tfjs-core.js';
import type { CompiledProgram, Executor, ExecutorTensor, ExecutorTensors } from './executor.js';
import type { Program, ProgramInputs } from './tensor-program.js';

const ours = (value: Tensor): ExecutorTensor => value as unknown as ExecutorTensor;
const theirs = (value: ExecutorTensor): Tensor => value as unknown as Tensor;

function asItIs(program: Program): CompiledProgram {
  const run = async (inputs: ExecutorTensors): Promise<ExecutorTensors> => {
    const outputs = tidy(() => program(inputs as unknown as ProgramInputs) as never) as ExecutorTensors;
    // Kernels hold the thread: signals and the progress line have their turn in between.
    await new Promise((resolve) => setImmediate(resolve));
    return outputs;
  };
  return {
    run,
    runInto: async (inputs, outputs) => {
      const results = await run(inputs);
      dispose(outputs as never);
      return results;
    },
    dispose: async () => {},
  };
}

/** Runs programs on the current tfjs backend, operation by operation. */
export const tfjsExecutor: Executor = {
  compiles: false,
  tensor: (values, shape) => ours(tensor(values, [...shape], 'float32')),
  values: (value) => theirs(value).dataSync() as Float32Array,
  release: (tensors) => {
    dispose(tensors as never);
  },
  prepare: async ({ run }) => ({ compile: async () => asItIs(run), plans: null }),
  rowProjector: null,
};
