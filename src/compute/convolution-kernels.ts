import { backend_util, Conv2D, getKernel, Slice, type TensorInfo, Transpose } from '../tfjs-core.js';
import {
  type ConvolutionGeometry,
  depthwiseFilterGradient,
  depthwiseInputGradient,
  rotateAndSwapFilter,
  spreadByStride,
} from './array-kernels.js';
import {
  type ArrayPad,
  type Attributes,
  call,
  dispose,
  type NamedKernel,
  output,
  type Shape4D,
  values,
} from './kernel-calls.js';

/**
 * Geometry of a convolution by the attributes of its kernel.
 *
 * @throws Error for channels first
 */
export function convolutionGeometry(
  inputShape: readonly number[],
  filterShape: readonly number[],
  attrs: Readonly<Attributes>,
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

/**
 * Convolution with `same` padding spelled out. Left to work it out itself, the
 * wasm kernel returns zeros where a stride passes over columns or rows (a
 * window of 2 x 1 with strides of 2, for example), without an error.
 */
export function explicitPaddingConvolution(kernelName: string, backendName: string): NamedKernel {
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

/**
 * Filter gradient of a convolution as a convolution: channels of the input
 * become the batch, the output gradient becomes the filter, and the stride
 * becomes its dilation.
 */
export function convolutionFilterGradient(backendName: string): NamedKernel {
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
export function convolutionInputGradient(backendName: string): NamedKernel {
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

/** Filter gradient of a depthwise convolution on plain arrays. */
export const depthwiseFilterGradientKernel: NamedKernel = ({ inputs, attrs, backend }) => {
  const { x, dy } = inputs;
  const filterShape = attrs.filterShape as Shape4D;
  const geometry = convolutionGeometry(x.shape, filterShape, attrs, true);
  const gradient = depthwiseFilterGradient(values(backend, x), values(backend, dy), geometry);
  return output(backend, filterShape, gradient);
};

/** Input gradient of a depthwise convolution on plain arrays. */
export const depthwiseInputGradientKernel: NamedKernel = ({ inputs, attrs, backend }) => {
  const { dy, filter } = inputs;
  const inputShape = attrs.inputShape as Shape4D;
  const geometry = convolutionGeometry(inputShape, filter.shape, attrs, true);
  const gradient = depthwiseInputGradient(values(backend, dy), values(backend, filter), geometry);
  return output(backend, inputShape, gradient);
};
