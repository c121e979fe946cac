import type { ConvolutionGeometry } from '../array-kernels.js';
import type { OnnxBuilder } from './builder.js';
import type { ValueId } from './graph.js';

/** tfjs keeps channels last, ONNX first: the permutations between the two. */
export const TO_NCHW = [0, 3, 1, 2] as const;
/** Back to channels last. */
export const TO_NHWC = [0, 2, 3, 1] as const;

/** ONNX attributes of a window that moves over an image. */
export function windowAttributes(geometry: ConvolutionGeometry): Record<string, number[]> {
  const { strideHeight, strideWidth, padInfo, dilationHeight, dilationWidth } = geometry;
  return {
    strides: [strideHeight, strideWidth],
    pads: [padInfo.top, padInfo.left, padInfo.bottom, padInfo.right],
    dilations: [dilationHeight, dilationWidth],
  };
}

/** An image tensor with its channels first. */
export function nchw(builder: OnnxBuilder, id: ValueId): string {
  return builder.transpose(builder.full(id), TO_NCHW);
}

/** What a transposed convolution adds at the end so that it gives the input's size. */
export function outputPadding(geometry: ConvolutionGeometry): [number, number] {
  const { inHeight, inWidth, outHeight, outWidth, strideHeight, strideWidth, padInfo } = geometry;
  const { effectiveFilterHeight, effectiveFilterWidth } = geometry;
  const reached = (out: number, stride: number, extent: number, before: number, after: number): number =>
    (out - 1) * stride + extent - before - after;
  return [
    inHeight - reached(outHeight, strideHeight, effectiveFilterHeight, padInfo.top, padInfo.bottom),
    inWidth - reached(outWidth, strideWidth, effectiveFilterWidth, padInfo.left, padInfo.right),
  ];
}
