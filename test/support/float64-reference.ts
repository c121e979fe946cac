/**
 * Networks and their derivatives in float64 without tfjs and without
 * derivative formulas: forward passes by definition, everything else by
 * differences of them. Slow and plain, so that it shares no mistake with the
 * code under test.
 */

/** One image, rows x columns x channels, channels fastest. */
export interface Image {
  height: number;
  width: number;
  channels: number;
  data: Float64Array;
}

export type Padding = 'same' | 'valid';

interface Axis {
  out: number;
  before: number;
}

/** Output size and padding before the first position, as TensorFlow defines them. */
function axisOf(size: number, window: number, stride: number, padding: Padding): Axis {
  if (padding === 'valid') {
    return { out: Math.floor((size - window) / stride) + 1, before: 0 };
  }
  const out = Math.ceil(size / stride);
  return { out, before: Math.floor(Math.max(0, (out - 1) * stride + window - size) / 2) };
}

export function image(shape: readonly number[], values: ArrayLike<number>): Image {
  const [height, width, channels] = shape;
  return { height, width, channels, data: Float64Array.from(values) };
}

export function dense(
  input: ArrayLike<number>,
  kernel: ArrayLike<number>,
  bias: ArrayLike<number>,
): Float64Array {
  return Float64Array.from(bias, (start, o) => {
    let sum = start;
    for (let i = 0; i < input.length; i++) {
      sum += input[i] * kernel[i * bias.length + o];
    }
    return sum;
  });
}

/** Calls `compute` for every output position with the input positions of its window that exist. */
function slide(
  input: Image,
  window: readonly [number, number],
  stride: number,
  padding: Padding,
  outChannels: number,
  compute: (taps: { position: number; tap: number }[], outChannel: number) => number,
): Image {
  const rows = axisOf(input.height, window[0], stride, padding);
  const columns = axisOf(input.width, window[1], stride, padding);
  const data: number[] = [];
  for (let r = 0; r < rows.out; r++) {
    for (let c = 0; c < columns.out; c++) {
      const taps: { position: number; tap: number }[] = [];
      for (let i = 0; i < window[0]; i++) {
        for (let j = 0; j < window[1]; j++) {
          const y = r * stride - rows.before + i;
          const x = c * stride - columns.before + j;
          if (y >= 0 && y < input.height && x >= 0 && x < input.width) {
            taps.push({ position: (y * input.width + x) * input.channels, tap: i * window[1] + j });
          }
        }
      }
      for (let o = 0; o < outChannels; o++) {
        data.push(compute(taps, o));
      }
    }
  }
  return { height: rows.out, width: columns.out, channels: outChannels, data: Float64Array.from(data) };
}

/** Kernel [window, window, in, out]. */
export function conv2d(
  input: Image,
  kernel: ArrayLike<number>,
  filters: number,
  options: { window: readonly [number, number]; stride: number; padding: Padding },
): Image {
  return slide(input, options.window, options.stride, options.padding, filters, (taps, o) => {
    let sum = 0;
    for (const { position, tap } of taps) {
      for (let c = 0; c < input.channels; c++) {
        sum += input.data[position + c] * kernel[(tap * input.channels + c) * filters + o];
      }
    }
    return sum;
  });
}

/** Kernel [window, window, in, multiplier]. */
export function depthwiseConv2d(
  input: Image,
  kernel: ArrayLike<number>,
  multiplier: number,
  options: { window: readonly [number, number]; stride: number; padding: Padding },
): Image {
  const outChannels = input.channels * multiplier;
  return slide(input, options.window, options.stride, options.padding, outChannels, (taps, o) => {
    const channel = Math.floor(o / multiplier);
    return taps.reduce(
      (sum, { position, tap }) => sum + input.data[position + channel] * kernel[tap * outChannels + o],
      0,
    );
  });
}

export function maxPool(
  input: Image,
  options: { window: readonly [number, number]; stride: number; padding: Padding },
): Image {
  return slide(input, options.window, options.stride, options.padding, input.channels, (taps, channel) =>
    Math.max(...taps.map(({ position }) => input.data[position + channel])),
  );
}

/** The mean over the positions of a window that exist. */
export function averagePool(
  input: Image,
  options: { window: readonly [number, number]; stride: number; padding: Padding },
): Image {
  return slide(
    input,
    options.window,
    options.stride,
    options.padding,
    input.channels,
    (taps, channel) =>
      taps.reduce((sum, { position }) => sum + input.data[position + channel], 0) / taps.length,
  );
}

/** f of every value, with the channel it belongs to. */
export function mapImage(
  input: Image,
  f: (value: number, channel: number, position: number) => number,
): Image {
  return { ...input, data: input.data.map((value, i) => f(value, i % input.channels, i)) };
}

export function globalAverage(input: Image): Float64Array {
  const positions = input.height * input.width;
  return Float64Array.from({ length: input.channels }, (_, channel) => {
    let sum = 0;
    for (let p = 0; p < positions; p++) {
      sum += input.data[p * input.channels + channel];
    }
    return sum / positions;
  });
}

export type ReferenceLoss = (logits: ArrayLike<number>, targets: ArrayLike<number>) => number;

/** Softmax of logits, and of each entry the sum of all others, without cancellation. */
function softmaxAndRest(logits: ArrayLike<number>): { p: number[]; rest: number[] } {
  const largest = Math.max(...Array.from(logits));
  const exponentials = Array.from(logits, (z) => Math.exp(z - largest));
  const total = exponentials.reduce((a, b) => a + b, 0);
  const p = exponentials.map((e) => e / total);
  return { p, rest: p.map((_, i) => p.reduce((sum, value, j) => (j === i ? sum : sum + value), 0)) };
}

/** log(1 + exp z) */
function softplus(z: number): number {
  return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
}

/** The sigmoid. */
function sigmoid(z: number): number {
  return z < 0 ? Math.exp(z) / (1 + Math.exp(z)) : 1 / (1 + Math.exp(-z));
}

/** Losses of one example, arranged so that float64 neither overflows nor cancels. */
export const REFERENCE_LOSSES: Record<string, ReferenceLoss> = {
  'cross-entropy': (logits, targets) =>
    Array.from(logits, (z, i) => {
      const others = Array.from(logits).filter((_, j) => j !== i);
      const largest = Math.max(...others);
      const logOthers = largest + Math.log(others.reduce((sum, other) => sum + Math.exp(other - largest), 0));
      return targets[i] === 0 ? 0 : targets[i] * softplus(logOthers - z);
    }).reduce((a, b) => a + b, 0),
  'binary-cross-entropy': (logits, targets) =>
    Array.from(logits, (z, i) => targets[i] * softplus(-z) + (1 - targets[i]) * softplus(z)).reduce(
      (a, b) => a + b,
      0,
    ) / logits.length,
  mse: (outputs, targets) =>
    Array.from(outputs, (z, i) => (z - targets[i]) ** 2).reduce((a, b) => a + b, 0) / outputs.length,
};

/** Derivative of one example's loss with respect to its logits, in closed form. */
export function outputGradient(
  loss: string,
  logits: ArrayLike<number>,
  targets: ArrayLike<number>,
): number[] {
  if (loss === 'cross-entropy') {
    const { p } = softmaxAndRest(logits);
    return p.map((pi, i) =>
      p.reduce((sum, pj, j) => (j === i ? sum : sum + targets[j] * pi - targets[i] * pj), 0),
    );
  }
  return Array.from(logits, (z, i) =>
    loss === 'mse'
      ? (2 * (z - targets[i])) / logits.length
      : ((1 - targets[i]) * sigmoid(z) - targets[i] * sigmoid(-z)) / logits.length,
  );
}

/** Second derivative of one example's loss with respect to its logits, row-major, in closed form. */
export function outputHessian(loss: string, logits: ArrayLike<number>): number[][] {
  const width = logits.length;
  if (loss === 'cross-entropy') {
    const { p, rest } = softmaxAndRest(logits);
    return p.map((pi, i) => p.map((pj, j) => (i === j ? pi * rest[i] : -pi * pj)));
  }
  const diagonal = Array.from(logits, (z) => (loss === 'mse' ? 2 : sigmoid(z) * sigmoid(-z)) / width);
  return diagonal.map((value, i) => diagonal.map((_, j) => (i === j ? value : 0)));
}

/** Logits of every example as a function of the flat weights. */
export type ReferenceLogits = (weights: Float64Array) => Float64Array[];

function shifted(weights: Float64Array, ...shifts: [number, number][]): Float64Array {
  const copy = weights.slice();
  for (const [index, step] of shifts) {
    copy[index] += step;
  }
  return copy;
}

/** Balances truncation (step^2) and float64 rounding (1e-16 / step^2) of second differences. */
const STEP = 1e-4;

/** Gradient of f by central differences. */
export function differenceGradient(f: (weights: Float64Array) => number, at: Float64Array): Float64Array {
  const h = 1e-5;
  return at.map((_, i) => (f(shifted(at, [i, h])) - f(shifted(at, [i, -h]))) / (2 * h));
}

/** Hessian of f by second differences, row-major. */
export function differenceHessian(f: (weights: Float64Array) => number, at: Float64Array): Float64Array {
  const size = at.length;
  const h = STEP;
  const hessian = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      const value =
        (f(shifted(at, [i, h], [j, h])) -
          f(shifted(at, [i, h], [j, -h])) -
          f(shifted(at, [i, -h], [j, h])) +
          f(shifted(at, [i, -h], [j, -h]))) /
        (4 * h * h);
      hessian[i * size + j] = value;
      hessian[j * size + i] = value;
    }
  }
  return hessian;
}

/** J' H_out J of the mean loss, row-major: J by central differences of the logits, H_out in closed form. */
export function differenceGaussNewton(
  logitsOf: ReferenceLogits,
  loss: string,
  at: Float64Array,
): Float64Array {
  const size = at.length;
  const h = 1e-5;
  const center = logitsOf(at);
  const columns = Array.from(at, (_, i) => {
    const ahead = logitsOf(shifted(at, [i, h]));
    const behind = logitsOf(shifted(at, [i, -h]));
    return ahead.map((logits, n) => logits.map((z, k) => (z - behind[n][k]) / (2 * h)));
  });
  const matrix = new Float64Array(size * size);
  center.forEach((logits, n) => {
    const hessian = outputHessian(loss, logits);
    columns.forEach((left, i) => {
      const weighted = hessian.map((row) => row.reduce((sum, value, k) => sum + value * left[n][k], 0));
      columns.forEach((right, j) => {
        matrix[i * size + j] +=
          weighted.reduce((sum, value, k) => sum + value * right[n][k], 0) / center.length;
      });
    });
  });
  return matrix;
}
