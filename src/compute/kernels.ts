import {
  AvgPoolGrad,
  BatchMatMul,
  backend_util,
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
  MaxPoolGrad,
  Multiply,
  registerKernel,
  Slice,
  type TensorInfo,
  Transpose,
  unregisterKernel,
  util,
} from '@tensorflow/tfjs-core';
import {
  averagePoolCounts,
  type ConvolutionGeometry,
  depthwiseFilterGradient,
  depthwiseInputGradient,
  gatherAtPoolMaxima,
  rotateAndSwapFilter,
  scatterToPoolMaxima,
  spreadByStride,
} from './array-kernels.js';

/** The kernel that gathers values at the positions max pooling selects; ours, on every backend. */
export const MAX_POOL_GATHER = 'PruneLimitMaxPoolGather';

/** The wasm backend's access to a tensor's memory without a copy. */
interface HeapBackend extends KernelBackend {
  typedArrayFromHeap(info: TensorInfo): Float32Array;
}

type Attributes = Record<string, unknown>;
type ArrayPad = 'same' | 'valid' | number | [number, number][];
type Shape4D = [number, number, number, number];
interface KernelCall {
  inputs: Record<string, TensorInfo>;
  attrs: Attributes;
  backend: KernelBackend;
}
type NamedKernel = (call: KernelCall) => TensorInfo;

function values(backend: KernelBackend, info: TensorInfo): Float32Array {
  const heap = backend as Partial<HeapBackend>;
  return heap.typedArrayFromHeap !== undefined
    ? heap.typedArrayFromHeap(info)
    : (backend.readSync(info.dataId) as Float32Array);
}

function output(backend: KernelBackend, shape: number[], data: Float32Array): TensorInfo {
  return { dataId: backend.write(data, shape, 'float32'), shape, dtype: 'float32' };
}

function dispose(backend: KernelBackend, ...infos: TensorInfo[]): void {
  for (const info of infos) {
    backend.disposeData(info.dataId);
  }
}

function call(
  backendName: string,
  kernelName: string,
  backend: KernelBackend,
  inputs: Record<string, TensorInfo>,
  attrs: Attributes,
): TensorInfo {
  const kernel = getKernel(kernelName, backendName);
  return kernel.kernelFunc({ inputs, attrs: attrs as never, backend }) as TensorInfo;
}

function register(kernelName: string, backendName: string, kernel: NamedKernel): void {
  if (getKernelsForBackend(backendName).some((registered) => registered.kernelName === kernelName)) {
    unregisterKernel(kernelName, backendName);
  }
  registerKernel({ kernelName, backendName, kernelFunc: kernel as unknown as KernelFunc });
}

function convolutionGeometry(
  inputShape: number[],
  filterShape: number[],
  attrs: Attributes,
  depthwise: boolean,
): ConvolutionGeometry {
  if (attrs.dataFormat === 'NCHW') {
    throw new Error('convolutions are supported for channels-last (NHWC) layers only');
  }
  return backend_util.computeConv2DInfo(
    inputShape as Shape4D,
    filterShape as Shape4D,
    attrs.strides as number | [number, number],
    (attrs.dilations as number | [number, number] | undefined) ?? 1,
    attrs.pad as ArrayPad as 'same',
    attrs.dimRoundingMode as 'floor' | undefined,
    depthwise,
  );
}

function poolGeometry(inputShape: number[], attrs: Attributes): ConvolutionGeometry {
  return backend_util.computePool2DInfo(
    inputShape as Shape4D,
    attrs.filterSize as number | [number, number],
    attrs.strides as number | [number, number],
    1,
    attrs.pad as ArrayPad as 'same',
    attrs.dimRoundingMode as 'floor' | undefined,
  );
}

/**
 * Convolution with `same` padding spelled out. Left to work it out itself, the
 * wasm kernel returns zeros where a stride passes over columns or rows (a
 * window of 2 x 1 with strides of 2, for example), without an error.
 */
function explicitPaddingConvolution(kernelName: string, backendName: string): NamedKernel {
  const convolution = getKernel(kernelName, backendName).kernelFunc as unknown as NamedKernel;
  const depthwise = kernelName.includes('Depthwise');
  return ({ inputs, attrs, backend }) => {
    if (attrs.pad !== 'same') {
      return convolution({ inputs, attrs, backend });
    }
    const { padInfo } = convolutionGeometry(inputs.x.shape, inputs.filter.shape, attrs, depthwise);
    const pad = [
      [0, 0],
      [padInfo.top, padInfo.bottom],
      [padInfo.left, padInfo.right],
      [0, 0],
    ];
    return convolution({ inputs, attrs: { ...attrs, pad }, backend });
  };
}

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

/**
 * Filter gradient of a convolution as a convolution: channels of the input
 * become the batch, the output gradient becomes the filter, and the stride
 * becomes its dilation.
 */
function convolutionFilterGradient(backendName: string): NamedKernel {
  return ({ inputs, attrs, backend }) => {
    const { x, dy } = inputs;
    const filterShape = attrs.filterShape as Shape4D;
    const geometry = convolutionGeometry(x.shape, filterShape, attrs, false);
    const { filterHeight, filterWidth, inHeight, inWidth, inChannels, outChannels } = geometry;
    const { outHeight, outWidth, strideHeight, strideWidth, padInfo } = geometry;
    const run = (kernelName: string, kernelInputs: Record<string, TensorInfo>, kernelAttrs: Attributes) =>
      call(backendName, kernelName, backend, kernelInputs, kernelAttrs);
    const swappedInput = run(Transpose, { x }, { perm: [3, 1, 2, 0] });
    const swappedGradient = run(Transpose, { x: dy }, { perm: [1, 2, 0, 3] });
    // Rows that a stride leaves over would give more taps than the filter has: those are cut off.
    const missing = (extent: number, stride: number, out: number, before: number, taps: number): number =>
      taps + (out - 1) * stride - extent - before;
    const bottom = missing(inHeight, strideHeight, outHeight, padInfo.top, filterHeight);
    const right = missing(inWidth, strideWidth, outWidth, padInfo.left, filterWidth);
    const taps = run(
      Conv2D,
      { x: swappedInput, filter: swappedGradient },
      {
        strides: 1,
        pad: [
          [0, 0],
          [padInfo.top, Math.max(0, bottom)],
          [padInfo.left, Math.max(0, right)],
          [0, 0],
        ],
        dataFormat: 'NHWC',
        dilations: [strideHeight, strideWidth],
      },
    );
    const size = [inChannels, filterHeight, filterWidth, outChannels];
    const filterTaps =
      bottom < 0 || right < 0 ? run(Slice, { x: taps }, { begin: [0, 0, 0, 0], size }) : taps;
    const result = run(Transpose, { x: filterTaps }, { perm: [1, 2, 0, 3] });
    dispose(backend, swappedInput, swappedGradient, taps);
    if (filterTaps !== taps) {
      dispose(backend, filterTaps);
    }
    return result;
  };
}

/** Input gradient of a convolution as a convolution of the spread output gradient with the rotated filter. */
function convolutionInputGradient(backendName: string): NamedKernel {
  return ({ inputs, attrs, backend }) => {
    const { dy, filter } = inputs;
    const inputShape = attrs.inputShape as Shape4D;
    const geometry = convolutionGeometry(inputShape, filter.shape, attrs, false);
    const { filterHeight, filterWidth, inHeight, inWidth, inChannels, outChannels } = geometry;
    const { outHeight, outWidth, strideHeight, strideWidth, padInfo, batchSize } = geometry;
    const height = (outHeight - 1) * strideHeight + 1;
    const width = (outWidth - 1) * strideWidth + 1;
    const strided = strideHeight > 1 || strideWidth > 1;
    const spread = strided
      ? output(
          backend,
          [batchSize, height, width, outChannels],
          spreadByStride(values(backend, dy), geometry),
        )
      : dy;
    const rotated = output(
      backend,
      [filterHeight, filterWidth, outChannels, inChannels],
      rotateAndSwapFilter(values(backend, filter), filter.shape as Shape4D),
    );
    const top = filterHeight - 1 - padInfo.top;
    const left = filterWidth - 1 - padInfo.left;
    const pad = [
      [0, 0],
      [top, inHeight - height + filterHeight - 1 - top],
      [left, inWidth - width + filterWidth - 1 - left],
      [0, 0],
    ];
    const result = call(
      backendName,
      Conv2D,
      backend,
      { x: spread, filter: rotated },
      { strides: 1, pad, dataFormat: 'NHWC', dilations: 1 },
    );
    dispose(backend, rotated);
    if (strided) {
      dispose(backend, spread);
    }
    return result;
  };
}

const depthwiseFilterGradientKernel: NamedKernel = ({ inputs, attrs, backend }) => {
  const { x, dy } = inputs;
  const filterShape = attrs.filterShape as Shape4D;
  const geometry = convolutionGeometry(x.shape, filterShape, attrs, true);
  const gradient = depthwiseFilterGradient(values(backend, x), values(backend, dy), geometry);
  return output(backend, filterShape, gradient);
};

const depthwiseInputGradientKernel: NamedKernel = ({ inputs, attrs, backend }) => {
  const { dy, filter } = inputs;
  const inputShape = attrs.inputShape as Shape4D;
  const geometry = convolutionGeometry(inputShape, filter.shape, attrs, true);
  const gradient = depthwiseInputGradient(values(backend, dy), values(backend, filter), geometry);
  return output(backend, inputShape, gradient);
};

const maxPoolGather: NamedKernel = ({ inputs, attrs, backend }) => {
  const geometry = poolGeometry(inputs.input.shape, attrs);
  const gathered = gatherAtPoolMaxima(
    values(backend, inputs.values),
    values(backend, inputs.input),
    geometry,
  );
  return output(backend, geometry.outShape, gathered);
};

/** The max-pooling gradient of the wasm backend puts gradients at wrong positions (checked against differences). */
const maxPoolGradient: NamedKernel = ({ inputs, attrs, backend }) => {
  const { dy, input } = inputs;
  const geometry = poolGeometry(input.shape, attrs);
  const gradient = scatterToPoolMaxima(values(backend, dy), values(backend, input), geometry);
  return output(backend, input.shape, gradient);
};

/**
 * Average-pooling gradient that divides by the number of positions a window
 * covers, as the forward kernel does. The gradient kernels of tfjs divide by
 * the window size, which is wrong for windows that reach into the padding.
 */
function countedAveragePoolGradient(backendName: string): NamedKernel {
  const gradient = getKernel(AvgPoolGrad, backendName).kernelFunc as unknown as NamedKernel;
  return ({ inputs, attrs, backend }) => {
    const geometry = poolGeometry(inputs.input.shape, attrs);
    const counts = averagePoolCounts(geometry);
    const windowSize = geometry.filterHeight * geometry.filterWidth;
    if (counts.every((count) => count === windowSize)) {
      return gradient({ inputs, attrs, backend });
    }
    const factors = output(
      backend,
      [1, geometry.outHeight, geometry.outWidth, 1],
      counts.map((count) => windowSize / count),
    );
    const scaled = call(backendName, Multiply, backend, { a: inputs.dy, b: factors }, {});
    const result = gradient({ inputs: { ...inputs, dy: scaled }, attrs, backend });
    dispose(backend, factors, scaled);
    return result;
  };
}

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

/** Makes an allocation that the wasm heap cannot serve an error instead of a write to address 0. */
function guardWasmAllocations(backend: KernelBackend): void {
  const module = (
    backend as unknown as { wasm: { _malloc(bytes: number): number; _free(address: number): void } }
  ).wasm;
  // The first call puts the real function in place of a stub, and would take a guard set before it away.
  module._free(module._malloc(1));
  const allocate = module._malloc.bind(module);
  module._malloc = (bytes) => {
    const address = allocate(bytes);
    if (address === 0 && bytes > 0) {
      throw new Error(`the WebAssembly heap is full (${bytes} bytes asked for): lower --memory-limit`);
    }
    return address;
  };
}

/**
 * Gives a tfjs backend the kernels that second derivatives need and it lacks,
 * and replaces those that are wrong or very slow.
 *
 * @param backendName `wasm`, `cpu` or `tensorflow`
 * @param backend the initialised backend of that name
 * @param cpuBackend the cpu backend, which stands in for kernels missing elsewhere
 */
export function completeKernels(
  backendName: string,
  backend: KernelBackend,
  cpuBackend: KernelBackend,
): void {
  register(MAX_POOL_GATHER, backendName, maxPoolGather);
  register(AvgPoolGrad, backendName, countedAveragePoolGradient(backendName));
  if (backendName !== 'wasm') {
    return;
  }
  guardWasmAllocations(backend);
  register(BatchMatMul, backendName, explicitTransposeMatMul(backendName));
  register(MaxPoolGrad, backendName, maxPoolGradient);
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
