/** Checks on features that are floats already, so that no format can bring a NaN into an analysis. */

/** Rows narrower than this are tables rather than images. */
const SMALLEST_IMAGE = 64;

/** Index of the first NaN or infinity, or -1. */
export function firstNonFinite(values: Float32Array): number {
  for (let i = 0; i < values.length; i++) {
    // Only NaN and infinities give NaN here; much faster than Number.isFinite.
    if (values[i] * 0 !== 0) {
      return i;
    }
  }
  return -1;
}

/**
 * A warning where floats look like image bytes that nobody divided by 255: wide rows of whole numbers from 0 to
 * 255, some above 127. They are taken as they are, and a model trained on scaled images then fails badly.
 *
 * @param width numbers per example
 */
export function unscaledBytesWarning(values: Float32Array, width: number, where: string): string[] {
  if (width < SMALLEST_IMAGE) {
    return [];
  }
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value < 0 || value > 255 || Math.trunc(value) !== value) {
      return [];
    }
    largest = Math.max(largest, value);
  }
  return largest > 127
    ? [
        `${where}: whole numbers up to ${largest}, taken as they are; if the model wants pixels divided by 255, add --normalize 0/255`,
      ]
    : [];
}
