/** A trainable network in use: batch normalisation with its moving averages, no dropout. */

import { compiledBySize } from '../compute/compile/compiled-by-size.js';
import type { CompiledProgram, Executor, ExecutorTensors } from '../compute/executor.js';
import { collect, numbered } from '../compute/tensor-program.js';
import type { TrainableNetwork } from '../network/trainable-network.js';
import { type Tensor, tensor } from '../tfjs-core.js';

/** Forward passes at any weights. */
export interface Forward {
  /**
   * @param state weights `w0`, .. and statistics `s0`, ..; more is left out of account
   * @returns logits [size, outputs]
   */
  logits(state: ExecutorTensors, inputs: Float32Array, size: number): Promise<Float32Array>;
  dispose(): void;
}

const asTensor = (values: Float32Array, shape: readonly number[]): Tensor =>
  tensor(values, [...shape], 'float32');

/** @throws NotCompilableError */
export async function createForward(
  executor: Executor,
  network: TrainableNetwork,
  inputShape: readonly number[],
): Promise<Forward> {
  const prepared = await executor.prepare({
    name: 'logits',
    run: (inputs) => ({
      logits: network.logits(
        collect(inputs, 'w', network.weights.length),
        collect(inputs, 's', network.statistics.length),
        inputs.x,
      ),
    }),
    sampleInputs: (size) => ({
      ...numbered(
        'w',
        network.weights.map(({ values, shape }) => asTensor(values, shape)),
      ),
      ...numbered(
        's',
        network.statistics.map(({ values, shape }) => asTensor(values, shape)),
      ),
      x: asTensor(new Float32Array(inputShape.reduce((product, extent) => product * extent, size)), [
        size,
        ...inputShape,
      ]),
    }),
  });
  const programs = compiledBySize<CompiledProgram>((size) => prepared.compile(size));
  return {
    logits: async (state, inputs, size) => {
      const compiled = await programs.of(size);
      const x = executor.tensor(inputs, [size, ...inputShape]);
      const { logits } = await compiled.run({ ...state, x });
      const values = executor.values(logits);
      executor.release({ x, logits });
      return values;
    },
    dispose: programs.dispose,
  };
}
