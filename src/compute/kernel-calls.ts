import {
  getKernel,
  getKernelsForBackend,
  type KernelBackend,
  type KernelFunc,
  registerKernel,
  type TensorInfo,
  unregisterKernel,
} from '../tfjs-core.js';

/** The wasm backend's access to a tensor's memory without a copy. */
export interface HeapBackend extends KernelBackend {
  typedArrayFromHeap(info: TensorInfo): Float32Array;
}

/** Attributes of a kernel call, as tfjs passes them: untyped. */
export type Attributes = Record<string, unknown>;
/** Padding of a window: by name, one number, or before and after for each axis of the image. */
export type ArrayPad = 'same' | 'valid' | number | [number, number][];
/** Shape of a batch of images or of a convolution filter. */
export type Shape4D = [number, number, number, number];
/** What a kernel gets. */
export interface KernelCall {
  inputs: Record<string, TensorInfo>;
  attrs: Attributes;
  backend: KernelBackend;
}
/** A kernel with one output. */
export type NamedKernel = (call: KernelCall) => TensorInfo;

/**
 * The numbers of a tensor: a view of the wasm heap, valid until the next
 * allocation, or a copy on other backends.
 */
export function values(backend: KernelBackend, info: TensorInfo): Float32Array {
  const heap = backend as Partial<HeapBackend>;
  return heap.typedArrayFromHeap !== undefined
    ? heap.typedArrayFromHeap(info)
    : (backend.readSync(info.dataId) as Float32Array);
}

/** A new tensor with the given numbers, owned by the caller. */
export function output(backend: KernelBackend, shape: number[], data: Float32Array): TensorInfo {
  return { dataId: backend.write(data, shape, 'float32'), shape, dtype: 'float32' };
}

/** Frees tensors made by a kernel for itself. */
export function dispose(backend: KernelBackend, ...infos: TensorInfo[]): void {
  for (const info of infos) {
    backend.disposeData(info.dataId);
  }
}

/** Runs another kernel of the same backend. */
export function call(
  backendName: string,
  kernelName: string,
  backend: KernelBackend,
  inputs: Record<string, TensorInfo>,
  attrs: Attributes,
): TensorInfo {
  const kernel = getKernel(kernelName, backendName);
  return kernel.kernelFunc({ inputs, attrs: attrs as never, backend }) as TensorInfo;
}

/** Registers a kernel, in place of the backend's own if it has one; that one is still set up with its backend. */
export function register(kernelName: string, backendName: string, kernel: NamedKernel): void {
  const own = getKernelsForBackend(backendName).find((registered) => registered.kernelName === kernelName);
  if (own !== undefined) {
    unregisterKernel(kernelName, backendName);
  }
  registerKernel({
    kernelName,
    backendName,
    kernelFunc: kernel as unknown as KernelFunc,
    ...(own?.setupFunc === undefined ? {} : { setupFunc: own.setupFunc }),
  });
}
