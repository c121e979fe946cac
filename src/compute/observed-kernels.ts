/** Looks at the kernel calls of a program that tfjs runs. */
import { engine, type Tensor } from '../tfjs-core.js';

/** Tensors that a kernel reads, by the name it has for them. */
export type KernelInputs = Record<string, Tensor | Tensor[] | null | undefined>;

type RunKernel = (name: string, inputs: KernelInputs, attrs?: Record<string, unknown>) => Tensor | Tensor[];

/** Kernels that hand on a tensor's numbers in their order. */
export const SAME_NUMBERS: ReadonlySet<string> = new Set(['Reshape', 'Identity', 'Cast']);

/**
 * Runs a program on the current tfjs backend and reports its kernel calls, each once it has its result. What a kernel
 * calls itself, clones of gradients among them, and what the observer calls are no calls of the program.
 *
 * @returns what the program returns
 */
export function observeKernels<Result>(
  program: () => Result,
  observe: (
    name: string,
    inputs: KernelInputs,
    attrs: Record<string, unknown>,
    result: Tensor | Tensor[],
  ) => void,
): Result {
  const target = engine() as unknown as { runKernel: RunKernel };
  const { runKernel } = target;
  let depth = 0;
  target.runKernel = (name, inputs, attrs = {}) => {
    depth++;
    try {
      const result = runKernel.call(target, name, inputs, attrs);
      if (depth === 1) {
        observe(name, inputs, attrs, result);
      }
      return result;
    } finally {
      depth--;
    }
  };
  try {
    return program();
  } finally {
    target.runKernel = runKernel;
  }
}
