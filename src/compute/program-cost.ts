import { memory, type Tensor, tidy } from '../tfjs-core.js';
import { observeKernels } from './observed-kernels.js';
import { kernelOperations } from './operation-count.js';
import { byShapesOrNumbers } from './shapes/shape-backend.js';

const FLOAT32_BYTES = 4;

/** What a program takes that tfjs runs operation by operation. */
export interface ProgramCost {
  /** Floating-point operations of matrix products and convolutions. */
  operations: number;
  /** Of all results together. */
  resultBytes: number;
  /** Of the tensors that are there at once, those that were there before among them. */
  peakBytes: number;
}

/** Counts what a program takes, by its shapes alone where they suffice; what it makes is freed. */
export function programCost(run: () => unknown): ProgramCost {
  return byShapesOrNumbers(() => {
    const cost: ProgramCost = { operations: 0, resultBytes: 0, peakBytes: 0 };
    tidy(() => {
      observeKernels(run, (name, inputs, _attributes, result) => {
        const outputs = [result].flat();
        cost.operations += kernelOperations({
          name,
          inputShapes: Object.values(inputs).map((input) => (input as Tensor | null)?.shape ?? null),
          outputShapes: outputs.map(({ shape }) => shape),
        });
        cost.resultBytes += outputs.reduce((sum, { size }) => sum + FLOAT32_BYTES * size, 0);
        cost.peakBytes = Math.max(cost.peakBytes, memory().numBytes);
      });
    });
    return cost;
  });
}
