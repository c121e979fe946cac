/** A split as a model sees it: converted, normalised and laid out, a range of examples at a time. */

import { InputError } from '../errors.js';
import type { Labels, Split } from './dataset.js';
import { gatherLabels } from './labels.js';
import { type InputOrder, type LayoutPlan, planLayout, type Strides } from './layout.js';

export { selectExamples } from './selection.js';

/** Per-channel normalisation: `(x - mean) / std`, after byte images are divided by 255. */
export interface Normalization {
  /** One number for all channels, or one a channel. */
  mean: readonly number[];
  /** One number for all channels, or one a channel; none is zero. */
  std: readonly number[];
}

/** Examples ready for a model. */
export interface Examples {
  readonly count: number;
  /** The model's input shape without batch. */
  readonly shape: readonly number[];
  /** Labels of the selected examples, in order. */
  readonly labels: Labels;
  /**
   * Inputs of the examples `[start, end)` of the selection, newly allocated.
   *
   * @returns `(end - start) * product(shape)` numbers, example by example
   */
  inputs(start: number, end: number): Float32Array;
}

/** Where a source number stands and where it goes, for every channel; the same for each example. */
interface Copy {
  size: number;
  pixels: number;
  channels: number;
  from: Strides;
  to: Strides;
}

/** Values a byte can have. */
const BYTE_VALUES = 256;

function checkNormalization({ mean, std }: Normalization, channels: number): void {
  for (const [name, values] of Object.entries({ mean, std })) {
    if (values.length !== 1 && values.length !== channels) {
      throw new InputError(
        'dataset/normalize-channels',
        `--normalize: ${values.length} numbers as ${name}, but the data has ${channels} channel(s); give one number, or one for each channel`,
      );
    }
    const bad = values.find((value) => !Number.isFinite(value) || (name === 'std' && value <= 0));
    if (bad !== undefined) {
      throw new InputError(
        'dataset/normalize-value',
        `--normalize: ${bad} as ${name}; it must be a finite number${name === 'std' ? ' above zero' : ''}`,
      );
    }
  }
}

/** One pass over contiguous numbers where the order stays and every number is treated alike. */
function simplify(plan: LayoutPlan, normalization: Normalization | null): Copy {
  const sameOrder =
    plan.from.pixelStride === plan.to.pixelStride && plan.from.channelStride === plan.to.channelStride;
  const alike = !normalization || (normalization.mean.length === 1 && normalization.std.length === 1);
  const contiguous: Strides = { pixelStride: 1, channelStride: plan.size };
  return sameOrder && alike
    ? { size: plan.size, pixels: plan.size, channels: 1, from: contiguous, to: contiguous }
    : plan;
}

/** Row `c` holds what each byte becomes in channel `c`: 256 numbers a channel. */
function byteTable(scale: number, mean: Float64Array, std: Float64Array): Float32Array {
  const table = new Float32Array(mean.length * BYTE_VALUES);
  for (let channel = 0; channel < mean.length; channel++) {
    for (let byte = 0; byte < BYTE_VALUES; byte++) {
      table[channel * BYTE_VALUES + byte] = (byte / scale - mean[channel]) / std[channel];
    }
  }
  return table;
}

/** Converts one example of bytes by table; `source` and `target` are where it begins. */
function copyBytes(
  values: Uint8Array,
  source: number,
  out: Float32Array,
  target: number,
  copy: Copy,
  table: Float32Array,
): void {
  const { pixels, channels, from, to } = copy;
  for (let channel = 0; channel < channels; channel++) {
    const row = channel * BYTE_VALUES;
    let read = source + channel * from.channelStride;
    let write = target + channel * to.channelStride;
    for (let pixel = 0; pixel < pixels; pixel++) {
      out[write] = table[row + values[read]];
      read += from.pixelStride;
      write += to.pixelStride;
    }
  }
}

/** Converts one example of floats; `source` and `target` are where it begins. */
function copyFloats(
  values: Float32Array,
  source: number,
  out: Float32Array,
  target: number,
  copy: Copy,
  scale: number,
  mean: Float64Array,
  std: Float64Array,
): void {
  const { pixels, channels, from, to } = copy;
  for (let channel = 0; channel < channels; channel++) {
    const [channelMean, channelStd] = [mean[channel], std[channel]];
    let read = source + channel * from.channelStride;
    let write = target + channel * to.channelStride;
    for (let pixel = 0; pixel < pixels; pixel++) {
      out[write] = (values[read] / scale - channelMean) / channelStd;
      read += from.pixelStride;
      write += to.pixelStride;
    }
  }
}

/** A function that writes one example, beginning at `source`, to `out`, beginning at `target`. */
function converter(
  split: Split,
  copy: Copy,
  normalization: Normalization | null,
): (source: number, out: Float32Array, target: number) => void {
  const { values } = split;
  const scale = split.byteImages ? 255 : 1;
  const spread = (numbers: readonly number[]): Float64Array =>
    Float64Array.from({ length: copy.channels }, (_, channel) => numbers[numbers.length === 1 ? 0 : channel]);
  const mean = spread(normalization?.mean ?? [0]);
  const std = spread(normalization?.std ?? [1]);
  if (values instanceof Uint8Array) {
    const table = byteTable(scale, mean, std);
    return (source, out, target) => copyBytes(values, source, out, target, copy, table);
  }
  if (copy.channels === 1 && scale === 1 && !normalization) {
    return (source, out, target) => out.set(values.subarray(source, source + copy.size), target);
  }
  return (source, out, target) => copyFloats(values, source, out, target, copy, scale, mean, std);
}

/**
 * Makes a split's examples ready for a model. Nothing is converted before it is asked for.
 *
 * Byte images are divided by 255; floats, pixels too, are taken as they are. Then every channel of the data is
 * normalised (of flat data every feature is a channel). Then the numbers are brought into the order of the model (see
 * `planLayout`). Any input shape of the same size will do.
 *
 * @param options.inputShape the model's input shape without batch; a dynamic dimension (null) is filled from the
 *   data where the rank agrees
 * @param options.inputOrder in which order images are taken where the input shape does not tell; without it channels last,
 *   the order of tfjs
 * @param options.order indices into the split, in the order wanted, repeats allowed; without it every example
 * @throws InputError when the shapes do not fit, or the normalisation does not fit the channels
 */
export function prepareExamples(
  split: Split,
  options: {
    inputShape: readonly (number | null)[];
    normalization: Normalization | null;
    inputOrder?: InputOrder;
    order?: Int32Array;
  },
): Examples {
  const { inputShape, normalization } = options;
  const plan = planLayout(split, inputShape, options.inputOrder ?? 'NHWC');
  if (normalization) {
    checkNormalization(normalization, plan.channels);
  }
  const order = options.order ?? Int32Array.from({ length: split.count }, (_, index) => index);
  if (order.some((example) => example < 0 || example >= split.count)) {
    throw new RangeError(`order names an example outside of the split's ${split.count}`);
  }
  const convert = converter(split, simplify(plan, normalization), normalization);
  const { size, shape } = plan;
  return {
    count: order.length,
    shape,
    labels: gatherLabels(split.labels, order),
    inputs(start, end) {
      if (
        !(
          Number.isInteger(start) &&
          Number.isInteger(end) &&
          0 <= start &&
          start <= end &&
          end <= order.length
        )
      ) {
        throw new RangeError(`examples [${start}, ${end}) of ${order.length}`);
      }
      const out = new Float32Array((end - start) * size);
      for (let i = start; i < end; i++) {
        convert(order[i] * size, out, (i - start) * size);
      }
      return out;
    },
  };
}
