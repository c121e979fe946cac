import type { ConvolutionGeometry } from '../array-kernels.js';
import { filled, NEVER } from './lifetimes.js';
import { rowClasses } from './row-classes.js';
import type { Sources } from './sources.js';

/**
 * Windows over positions: for every output position, the input position that
 * each tap reads, -1 for one outside; [output positions, taps].
 */
export interface Windows {
  readonly taps: number;
  readonly sources: Sources;
}

/** Windows of a convolution or pooling over a batch of images. */
export function imageWindows(geometry: ConvolutionGeometry): Windows {
  const { batchSize, inHeight, inWidth, outHeight, outWidth, padInfo } = geometry;
  const { filterHeight, filterWidth, strideHeight, strideWidth, dilationHeight, dilationWidth } = geometry;
  const taps = filterHeight * filterWidth;
  const sources = new Int32Array(batchSize * outHeight * outWidth * taps);
  let at = 0;
  for (let image = 0; image < batchSize; image++) {
    for (let row = 0; row < outHeight; row++) {
      for (let column = 0; column < outWidth; column++) {
        for (let tap = 0; tap < taps; tap++) {
          const y = row * strideHeight - padInfo.top + Math.floor(tap / filterWidth) * dilationHeight;
          const x = column * strideWidth - padInfo.left + (tap % filterWidth) * dilationWidth;
          const isInside = y >= 0 && y < inHeight && x >= 0 && x < inWidth;
          sources[at++] = isInside ? (image * inHeight + y) * inWidth + x : -1;
        }
      }
    }
  }
  return { taps, sources };
}

/** The windows of the transposed convolution: who reads becomes who is read. */
export function transposedWindows({ taps, sources }: Windows, positions: number): Windows {
  const transposed = new Int32Array(positions * taps).fill(-1);
  sources.forEach((source, index) => {
    if (source >= 0) {
      transposed[source * taps + (index % taps)] = Math.floor(index / taps);
    }
  });
  return { taps, sources: transposed };
}

/** Windows of one tap each: every row of a matrix by itself. */
export function rowWindows(rows: number): Windows {
  return { taps: 1, sources: Int32Array.from({ length: rows }, (_, row) => row) };
}

/**
 * Writes what an output position gets from the input that one tap reads.
 *
 * @param offset of that input's channels in `counts`
 */
type Tap = (output: Int32Array, counts: Int32Array, offset: number, tap: number) => void;

/** Works out every window, equal ones once; returns [output positions, outputs]. */
function overWindows(
  counts: Int32Array,
  channels: number,
  { taps, sources }: Windows,
  outputs: number,
  visit: Tap,
): Int32Array {
  const inputs = rowClasses(counts, channels);
  const windows = rowClasses(
    sources.map((source) => (source < 0 ? -1 : inputs.classOf[source])),
    taps,
  );
  const results = windows.representatives.map((position) => {
    const output = filled(outputs, NEVER);
    for (let tap = 0; tap < taps; tap++) {
      const source = sources[position * taps + tap];
      if (source >= 0) {
        visit(output, counts, source * channels, tap);
      }
    }
    return output;
  });
  const result = new Int32Array(windows.classOf.length * outputs);
  windows.classOf.forEach((found, position) => {
    result.set(results[found], position * outputs);
  });
  return result;
}

/**
 * Counts of sums of products over windows: the longest over all terms of the
 * shorter of input and weight.
 *
 * @param counts [positions, channels]
 * @param filter [taps, channels, outputs]
 * @returns [output positions, outputs]
 */
export function convolved(
  counts: Int32Array,
  channels: number,
  windows: Windows,
  filter: Int32Array,
): Int32Array {
  const outputs = filter.length / (windows.taps * channels);
  return overWindows(counts, channels, windows, outputs, (output, input, offset, tap) => {
    for (let channel = 0; channel < channels; channel++) {
      const count = input[offset + channel];
      if (count === NEVER) {
        continue;
      }
      const weights = (tap * channels + channel) * outputs;
      for (let o = 0; o < outputs; o++) {
        const weight = filter[weights + o];
        const both = weight < count ? weight : count;
        if (both > output[o]) {
          output[o] = both;
        }
      }
    }
  });
}

/**
 * The same where each channel has outputs of its own.
 *
 * @param filter [taps, channels, multiplier]
 * @returns [output positions, channels * multiplier]
 */
export function convolvedByChannel(
  counts: Int32Array,
  channels: number,
  windows: Windows,
  filter: Int32Array,
): Int32Array {
  const outputs = filter.length / windows.taps;
  const multiplier = outputs / channels;
  return overWindows(counts, channels, windows, outputs, (output, input, offset, tap) => {
    for (let o = 0; o < outputs; o++) {
      const both = Math.min(input[offset + Math.floor(o / multiplier)], filter[tap * outputs + o]);
      output[o] = Math.max(output[o], both);
    }
  });
}

/** The longest count in every window, channel by channel: [output positions, channels]. */
export function pooled(counts: Int32Array, channels: number, windows: Windows): Int32Array {
  return overWindows(counts, channels, windows, channels, (output, input, offset) => {
    for (let channel = 0; channel < channels; channel++) {
      output[channel] = Math.max(output[channel], input[offset + channel]);
    }
  });
}
