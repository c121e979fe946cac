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

/** The geometry of the convolution that computes the input gradient of another one of stride 1. */
export function transposedGeometry(geometry: ConvolutionGeometry): ConvolutionGeometry {
  const { padInfo, effectiveFilterHeight, effectiveFilterWidth } = geometry;
  return {
    ...geometry,
    inHeight: geometry.outHeight,
    inWidth: geometry.outWidth,
    inChannels: geometry.outChannels,
    outHeight: geometry.inHeight,
    outWidth: geometry.inWidth,
    outChannels: geometry.inChannels,
    padInfo: {
      ...padInfo,
      top: effectiveFilterHeight - 1 - padInfo.top,
      left: effectiveFilterWidth - 1 - padInfo.left,
      bottom: effectiveFilterHeight - 1 - padInfo.bottom,
      right: effectiveFilterWidth - 1 - padInfo.right,
    },
  };
}

/** Whether a convolution's input gradient is a convolution, without cropping. */
export function hasTransposedConvolution({
  strideHeight,
  strideWidth,
  padInfo,
  effectiveFilterHeight,
  effectiveFilterWidth,
}: ConvolutionGeometry): boolean {
  return (
    strideHeight === 1 &&
    strideWidth === 1 &&
    Math.max(padInfo.top, padInfo.bottom) < effectiveFilterHeight &&
    Math.max(padInfo.left, padInfo.right) < effectiveFilterWidth
  );
}
