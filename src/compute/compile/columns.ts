import type { ConvolutionGeometry } from '../array-kernels.js';

/**
 * Results with few channels leave most of a vector register empty. Columns of
 * the result that lie next to each other can be computed as channels of one:
 * with a filter that is wider by a column for each, and a longer stride.
 */

/** A convolution that computes so many neighbouring columns as channels of one, the columns first. */
export function gatheredColumns(geometry: ConvolutionGeometry, columns: number): ConvolutionGeometry {
  const further = (columns - 1) * geometry.strideWidth;
  return {
    ...geometry,
    filterWidth: geometry.filterWidth + further,
    effectiveFilterWidth: geometry.effectiveFilterWidth + further,
    strideWidth: columns * geometry.strideWidth,
    outWidth: geometry.outWidth / columns,
    outChannels: columns * geometry.outChannels,
  };
}

/**
 * How many columns to compute as channels of one for the fewest operations,
 * and how many times the convolution's own operations that takes, counting
 * output channels that are filled up to whole blocks.
 */
export function fewestOperations(
  geometry: ConvolutionGeometry,
  block: number,
): { columns: number; operations: number } {
  const most = geometry.dilationWidth === 1 ? block : 1;
  return Array.from({ length: most }, (_, index) => index + 1)
    .filter((columns) => geometry.outWidth % columns === 0)
    .map((columns) => {
      const { outChannels, filterWidth } = gatheredColumns(geometry, columns);
      const filled = Math.ceil(outChannels / block) * block;
      return { columns, operations: (filled / outChannels) * (filterWidth / geometry.filterWidth) };
    })
    .reduce((best, choice) => (choice.operations < best.operations ? choice : best));
}
