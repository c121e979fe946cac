import type { backend_util } from '@tensorflow/tfjs-core';

/**
 * Kernels over plain NHWC float32 arrays, shared by all tfjs backends.
 *
 * They cover what tfjs has no kernel for, or only a slow one. Geometry (sizes,
 * strides, padding) comes as tfjs's own `Conv2DInfo`.
 */
export type ConvolutionGeometry = backend_util.Conv2DInfo;

/**
 * Puts strideHeight - 1 rows and strideWidth - 1 columns of zeros between the
 * output positions of a strided convolution.
 *
 * @param gradient [batch, outHeight, outWidth, outChannels]
 * @returns [batch, (outHeight - 1) strideHeight + 1, (outWidth - 1) strideWidth
 *   + 1, outChannels]
 */
export function spreadByStride(gradient: Float32Array, geometry: ConvolutionGeometry): Float32Array {
  const { batchSize, outHeight, outWidth, outChannels, strideHeight, strideWidth } = geometry;
  const height = (outHeight - 1) * strideHeight + 1;
  const width = (outWidth - 1) * strideWidth + 1;
  const spread = new Float32Array(batchSize * height * width * outChannels);
  let source = 0;
  for (let image = 0; image < batchSize; image++) {
    for (let row = 0; row < outHeight; row++) {
      for (let column = 0; column < outWidth; column++) {
        let target = ((image * height + row * strideHeight) * width + column * strideWidth) * outChannels;
        for (let channel = 0; channel < outChannels; channel++) {
          spread[target++] = gradient[source++];
        }
      }
    }
  }
  return spread;
}

/**
 * Rotates a filter by 180 degrees and swaps its channel axes, which turns the
 * gradient of a convolution with respect to its input into a convolution.
 *
 * @param filter [filterHeight, filterWidth, inChannels, outChannels]
 * @returns [filterHeight, filterWidth, outChannels, inChannels]
 */
export function rotateAndSwapFilter(
  filter: Float32Array,
  shape: readonly [number, number, number, number],
): Float32Array {
  const [height, width, inChannels, outChannels] = shape;
  const rotated = new Float32Array(filter.length);
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      const source = (i * width + j) * inChannels * outChannels;
      const target = ((height - 1 - i) * width + (width - 1 - j)) * inChannels * outChannels;
      for (let c = 0; c < inChannels; c++) {
        for (let o = 0; o < outChannels; o++) {
          rotated[target + o * inChannels + c] = filter[source + c * outChannels + o];
        }
      }
    }
  }
  return rotated;
}

/**
 * Visits every pair of input and output positions that a filter tap of a
 * depthwise convolution connects: `visit(inputOffset, outputOffset, tapOffset)`
 * with offsets of the first channel.
 */
function forEachDepthwiseTap(
  geometry: ConvolutionGeometry,
  visit: (inputOffset: number, outputOffset: number, tapOffset: number) => void,
): void {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels } = geometry;
  const { filterHeight, filterWidth, padInfo, strideHeight, strideWidth } = geometry;
  const { dilationHeight, dilationWidth } = geometry;
  for (let image = 0; image < batchSize; image++) {
    for (let row = 0; row < outHeight; row++) {
      for (let column = 0; column < outWidth; column++) {
        const outputOffset = ((image * outHeight + row) * outWidth + column) * outChannels;
        for (let i = 0; i < filterHeight; i++) {
          const inRow = row * strideHeight - padInfo.top + i * dilationHeight;
          if (inRow < 0 || inRow >= inHeight) {
            continue;
          }
          for (let j = 0; j < filterWidth; j++) {
            const inColumn = column * strideWidth - padInfo.left + j * dilationWidth;
            if (inColumn < 0 || inColumn >= inWidth) {
              continue;
            }
            const inputOffset = ((image * inHeight + inRow) * inWidth + inColumn) * inChannels;
            visit(inputOffset, outputOffset, (i * filterWidth + j) * outChannels);
          }
        }
      }
    }
  }
}

/**
 * Gradient of a depthwise convolution with respect to its filter.
 *
 * @param input [batch, inHeight, inWidth, inChannels]
 * @param gradient [batch, outHeight, outWidth, inChannels * multiplier]
 * @returns [filterHeight, filterWidth, inChannels, multiplier]; sums are
 *   accumulated in float64
 */
export function depthwiseFilterGradient(
  input: Float32Array,
  gradient: Float32Array,
  geometry: ConvolutionGeometry,
): Float32Array {
  const { inChannels, outChannels, filterHeight, filterWidth } = geometry;
  const multiplier = outChannels / inChannels;
  const sums = new Float64Array(filterHeight * filterWidth * outChannels);
  forEachDepthwiseTap(geometry, (inputOffset, outputOffset, tapOffset) => {
    if (multiplier === 1) {
      for (let c = 0; c < inChannels; c++) {
        sums[tapOffset + c] += input[inputOffset + c] * gradient[outputOffset + c];
      }
      return;
    }
    for (let c = 0, o = 0; c < inChannels; c++) {
      for (let m = 0; m < multiplier; m++, o++) {
        sums[tapOffset + o] += input[inputOffset + c] * gradient[outputOffset + o];
      }
    }
  });
  return Float32Array.from(sums);
}

/**
 * Gradient of a depthwise convolution with respect to its input.
 *
 * @param gradient [batch, outHeight, outWidth, inChannels * multiplier]
 * @param filter [filterHeight, filterWidth, inChannels, multiplier]
 * @returns [batch, inHeight, inWidth, inChannels]
 */
export function depthwiseInputGradient(
  gradient: Float32Array,
  filter: Float32Array,
  geometry: ConvolutionGeometry,
): Float32Array {
  const { batchSize, inHeight, inWidth, inChannels, outChannels } = geometry;
  const multiplier = outChannels / inChannels;
  const result = new Float32Array(batchSize * inHeight * inWidth * inChannels);
  forEachDepthwiseTap(geometry, (inputOffset, outputOffset, tapOffset) => {
    for (let c = 0, o = 0; c < inChannels; c++) {
      for (let m = 0; m < multiplier; m++, o++) {
        result[inputOffset + c] += gradient[outputOffset + o] * filter[tapOffset + o];
      }
    }
  });
  return result;
}

/**
 * Visits every max-pooling window: `visit(outputPosition, inputPosition)` with
 * the flat position of the window's maximum, -1 for a window that lies in the
 * padding altogether. Of equal maxima the first in row-major order counts.
 */
function forEachPoolMaximum(
  input: Float32Array,
  geometry: ConvolutionGeometry,
  visit: (outputPosition: number, inputPosition: number) => void,
): void {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth } = geometry;
  const { effectiveFilterHeight, effectiveFilterWidth, padInfo, strideHeight, strideWidth } = geometry;
  let outputPosition = 0;
  for (let image = 0; image < batchSize; image++) {
    for (let row = 0; row < outHeight; row++) {
      const top = row * strideHeight - padInfo.top;
      const rowEnd = Math.min(inHeight, top + effectiveFilterHeight);
      for (let column = 0; column < outWidth; column++) {
        const left = column * strideWidth - padInfo.left;
        const columnEnd = Math.min(inWidth, left + effectiveFilterWidth);
        for (let channel = 0; channel < inChannels; channel++) {
          let maximum = Number.NEGATIVE_INFINITY;
          let inputPosition = -1;
          for (let r = Math.max(0, top); r < rowEnd; r++) {
            for (let c = Math.max(0, left); c < columnEnd; c++) {
              const position = ((image * inHeight + r) * inWidth + c) * inChannels + channel;
              if (inputPosition < 0 || input[position] > maximum) {
                maximum = input[position];
                inputPosition = position;
              }
            }
          }
          visit(outputPosition++, inputPosition);
        }
      }
    }
  }
}

/**
 * Gradient of max pooling with respect to its input.
 *
 * @param gradient [batch, outHeight, outWidth, channels]
 * @param input [batch, inHeight, inWidth, channels], what was pooled
 * @returns [batch, inHeight, inWidth, channels]
 */
export function scatterToPoolMaxima(
  gradient: Float32Array,
  input: Float32Array,
  geometry: ConvolutionGeometry,
): Float32Array {
  const result = new Float32Array(input.length);
  forEachPoolMaximum(input, geometry, (outputPosition, inputPosition) => {
    if (inputPosition >= 0) {
      result[inputPosition] += gradient[outputPosition];
    }
  });
  return result;
}

/**
 * Picks from `values` the entries at the positions that max pooling of `input`
 * selects: the adjoint of {@link scatterToPoolMaxima}.
 *
 * @param values [batch, inHeight, inWidth, channels]
 * @param input [batch, inHeight, inWidth, channels]
 * @returns [batch, outHeight, outWidth, channels]
 */
export function gatherAtPoolMaxima(
  values: Float32Array,
  input: Float32Array,
  geometry: ConvolutionGeometry,
): Float32Array {
  const { batchSize, inChannels, outHeight, outWidth } = geometry;
  const result = new Float32Array(batchSize * outHeight * outWidth * inChannels);
  forEachPoolMaximum(input, geometry, (outputPosition, inputPosition) => {
    result[outputPosition] = inputPosition < 0 ? 0 : values[inputPosition];
  });
  return result;
}

/**
 * How many input positions each average-pooling window really covers: windows
 * that reach into the padding average over fewer (tfjs's forward kernels
 * divide by this count).
 *
 * @returns [outHeight, outWidth]
 */
export function averagePoolCounts(geometry: ConvolutionGeometry): Float32Array {
  const { inHeight, inWidth, outHeight, outWidth, strideHeight, strideWidth } = geometry;
  const { effectiveFilterHeight, effectiveFilterWidth, padInfo } = geometry;
  const covered = (start: number, extent: number, size: number): number =>
    Math.min(size, start + extent) - Math.max(0, start);
  const counts = new Float32Array(outHeight * outWidth);
  for (let row = 0; row < outHeight; row++) {
    const rows = covered(row * strideHeight - padInfo.top, effectiveFilterHeight, inHeight);
    for (let column = 0; column < outWidth; column++) {
      const columns = covered(column * strideWidth - padInfo.left, effectiveFilterWidth, inWidth);
      counts[row * outWidth + column] = rows * columns;
    }
  }
  return counts;
}
