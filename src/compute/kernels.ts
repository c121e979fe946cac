import { InputError } from '../errors.js';
import {
  AvgPoolGrad,
  BatchMatMul,
  Conv2D,
  Conv2DBackpropFilter,
  Conv2DBackpropInput,
  DepthwiseConv2dNative,
  DepthwiseConv2dNativeBackpropFilter,
  DepthwiseConv2dNativeBackpropInput,
  FusedConv2D,
  FusedDepthwiseConv2D,
  getKernel,
  getKernelsForBackend,
  type KernelBackend,
  type KernelFunc,
  Log1p,
  MaxPoolGrad,
  registerKernel,
  Sign,
  type TensorInfo,
  Transpose,
  util,
} from '../tfjs-core.js';
import {
  convolutionFilterGradient,
  convolutionInputGradient,
  depthwiseFilterGradientKernel,
  depthwiseInputGradientKernel,
  explicitPaddingConvolution,
} from './convolution-kernels.js';
import {
  call,
  dispose,
  type KernelCall,
  type NamedKernel,
  output,
  register,
  values,
} from './kernel-calls.js';
import { countedAveragePoolGradient, maxPoolGather, maxPoolGradient } from './pooling-kernels.js';

/** The kernel that gathers values at the positions max pooling selects; ours, on every backend. */
export const MAX_POOL_GATHER = 'PruneLimitMaxPoolGather';

/** Matrix product that transposes explicitly: with its own flags the wasm kernel is about 50 times slower. */
function explicitTransposeMatMul(backendName: string): NamedKernel {
  const product = getKernel(BatchMatMul, backendName).kernelFunc as unknown as NamedKernel;
  return ({ inputs, attrs, backend }) => {
    const transposed = (info: TensorInfo): TensorInfo => {
      const rank = info.shape.length;
      const perm = info.shape.map((_, axis) => axis);
      perm[rank - 1] = rank - 2;
      perm[rank - 2] = rank - 1;
      return call(backendName, Transpose, backend, { x: info }, { perm });
    };
    const a = attrs.transposeA ? transposed(inputs.a) : inputs.a;
    const b = attrs.transposeB ? transposed(inputs.b) : inputs.b;
    const result = product({
      inputs: { a, b },
      attrs: { ...attrs, transposeA: false, transposeB: false },
      backend,
    });
    if (a !== inputs.a) {
      dispose(backend, a);
    }
    if (b !== inputs.b) {
      dispose(backend, b);
    }
    return result;
  };
}

/** log(1 + x) in full precision; the wasm kernel adds first, and gives 0 for x below 6e-8. */
const preciseLog1p: NamedKernel = ({ inputs, backend }) => {
  const { x } = inputs;
  return output(backend, x.shape, Float32Array.from(values(backend, x), Math.log1p));
};

/** The sign of every number; the wasm kernel gives 0 for those below 1e-7. */
const exactSign: NamedKernel = ({ inputs, backend }) => {
  const { x } = inputs;
  return output(backend, x.shape, Float32Array.from(values(backend, x), Math.sign));
};

/** Runs a kernel that one backend lacks on the cpu backend. */
function delegateToCpu(kernelName: string, cpuBackend: KernelBackend): KernelFunc {
  const cpuKernel = getKernel(kernelName, 'cpu');
  return (({ inputs, attrs, backend }: KernelCall): TensorInfo | TensorInfo[] => {
    const cpuInputs: Record<string, TensorInfo> = {};
    for (const [name, info] of Object.entries(inputs)) {
      const copy = backend.readSync(info.dataId);
      cpuInputs[name] = { ...info, dataId: cpuBackend.write(copy, info.shape, info.dtype) };
    }
    const result = cpuKernel.kernelFunc({ inputs: cpuInputs, attrs: attrs as never, backend: cpuBackend });
    const fetched = [result].flat().map((info) => {
      const dataId = backend.write(cpuBackend.readSync(info.dataId), info.shape, info.dtype);
      cpuBackend.disposeData(info.dataId);
      return { dataId, shape: info.shape, dtype: info.dtype };
    });
    dispose(cpuBackend, ...Object.values(cpuInputs));
    return Array.isArray(result) ? fetched : fetched[0];
  }) as unknown as KernelFunc;
}

/** Backends whose allocations are guarded. */
const guarded = new WeakSet<KernelBackend>();

/** Makes an allocation that the wasm heap cannot serve an error instead of a write to address 0. */
export function guardWasmAllocations(backend: KernelBackend): void {
  if (guarded.has(backend)) {
    return;
  }
  guarded.add(backend);
  const module = (
    backend as unknown as { wasm: { _malloc(bytes: number): number; _free(address: number): void } }
  ).wasm;
  // The first call puts the real function in place of a stub, and would take a guard set before it away.
  module._free(module._malloc(1));
  const allocate = module._malloc.bind(module);
  module._malloc = (bytes) => {
    const address = allocate(bytes);
    if (address === 0 && bytes > 0) {
      throw new InputError(
        'backend/heap',
        `the heap of WebAssembly, 4 GB, is full (${bytes} bytes asked for): lower --memory-limit; if that does not help, install @tensorflow/tfjs-node and give --backend tensorflow`,
      );
    }
    return address;
  };
}

/**
 * Gives a tfjs backend the kernels that second derivatives need and it lacks,
 * and replaces those that are wrong or very slow.
 *
 * @param backendName `wasm`, `cpu` or `tensorflow`
 * @param cpuBackend the cpu backend, which stands in for kernels missing elsewhere
 */
export function completeKernels(backendName: string, cpuBackend: KernelBackend): void {
  register(MAX_POOL_GATHER, backendName, maxPoolGather);
  register(AvgPoolGrad, backendName, countedAveragePoolGradient(backendName));
  if (backendName !== 'wasm') {
    return;
  }
  register(BatchMatMul, backendName, explicitTransposeMatMul(backendName));
  register(MaxPoolGrad, backendName, maxPoolGradient);
  register(Log1p, backendName, preciseLog1p);
  register(Sign, backendName, exactSign);
  for (const kernelName of [Conv2D, FusedConv2D, DepthwiseConv2dNative, FusedDepthwiseConv2D]) {
    register(kernelName, backendName, explicitPaddingConvolution(kernelName, backendName));
  }
  register(Conv2DBackpropFilter, backendName, convolutionFilterGradient(backendName));
  register(Conv2DBackpropInput, backendName, convolutionInputGradient(backendName));
  register(DepthwiseConv2dNativeBackpropFilter, backendName, depthwiseFilterGradientKernel);
  register(DepthwiseConv2dNativeBackpropInput, backendName, depthwiseInputGradientKernel);
  const present = new Set(getKernelsForBackend(backendName).map((kernel) => kernel.kernelName));
  for (const { kernelName } of getKernelsForBackend('cpu')) {
    if (!present.has(kernelName)) {
      registerKernel({ kernelName, backendName, kernelFunc: delegateToCpu(kernelName, cpuBackend) });
    }
  }
  util.assert(present.has(Conv2D), () => 'the wasm backend has no Conv2D kernel');
}
