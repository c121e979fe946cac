import { pad, reshape, type Tensor, type Tensor4D } from '../../../tfjs-core.js';
import {
  checkShape,
  inLayout,
  integer,
  integers,
  malformed,
  type OperatorCall,
  operand,
  text,
  unsupported,
} from '../operator.js';
import { channelsLastValue, type Value } from '../values.js';

/** A window that moves over one axis. */
export interface WindowAxis {
  size: number;
  stride: number;
  dilation: number;
  /** Padding before and after. */
  before: number;
  after: number;
  /** What the axis is long, before and after the operation. */
  extent: number;
  positions: number;
}

/** Extent a dilated window covers. */
export function covered({ size, dilation }: Pick<WindowAxis, 'size' | 'dilation'>): number {
  return (size - 1) * dilation + 1;
}

/** An attribute with one integer for each spatial axis. */
export function perAxis(call: OperatorCall, name: string, axes: number, fallback: number): number[] {
  const list = integers(call, name) ?? [];
  if (list.length !== 0 && list.length !== axes) {
    throw malformed(call, `${name} has ${list.length} entries for ${axes} spatial axes`);
  }
  return Array.from({ length: axes }, (_, axis) => list[axis] ?? fallback);
}

/**
 * The number of spatial axes of a sequence (1), an image (2) or a volume (3).
 *
 * @param most what the operator takes
 */
export function spatialAxes(call: OperatorCall, value: Value, most = 3): number {
  const axes = value.shape.length - 2;
  if (!(axes >= 1 && axes <= most)) {
    throw unsupported(call, `${axes} spatial axes (1 to ${most} are)`);
  }
  return axes;
}

/** The padding of each spatial axis as the attributes say, before `auto_pad`. */
export function explicitPads(call: OperatorCall, axes: number): [number, number][] {
  const pads = integers(call, 'pads') ?? [];
  if (pads.length !== 0 && pads.length !== 2 * axes) {
    throw malformed(call, `pads has ${pads.length} entries for ${axes} spatial axes`);
  }
  if (pads.some((pad) => pad < 0)) {
    throw unsupported(call, 'negative pads');
  }
  return Array.from({ length: axes }, (_, axis) => [pads[axis] ?? 0, pads[axes + axis] ?? 0]);
}

/**
 * The windows of a convolution or pooling over the spatial axes of a value.
 *
 * With `ceil_mode` the padding at the end grows so far that the last window,
 * which must begin inside of the data or the padding before it, fits.
 */
export function windowsOf(call: OperatorCall, value: Value, sizes: readonly number[]): WindowAxis[] {
  const axes = spatialAxes(call, value);
  if (sizes.length !== axes || sizes.some((size) => !(size > 0))) {
    throw malformed(call, `a window of ${sizes.length} axes does not fit ${axes} spatial axes`);
  }
  const strides = perAxis(call, 'strides', axes, 1);
  const dilations = perAxis(call, 'dilations', axes, 1);
  if ([...strides, ...dilations].some((step) => step < 1)) {
    throw malformed(call, 'strides and dilations must be positive');
  }
  const pads = explicitPads(call, axes);
  const autoPad = text(call, 'auto_pad', 'NOTSET');
  const ceil = integer(call, 'ceil_mode', 0) === 1;
  const windows = sizes.map((size, axis) => {
    const [stride, dilation, extent] = [strides[axis], dilations[axis], value.shape[axis + 2]];
    const reach = covered({ size, dilation });
    let [before, after] = pads[axis];
    let positions: number;
    if (autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER') {
      positions = Math.ceil(extent / stride);
      const total = Math.max(0, (positions - 1) * stride + reach - extent);
      before = autoPad === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
      after = total - before;
    } else {
      if (autoPad === 'VALID') {
        before = 0;
        after = 0;
      } else if (autoPad !== 'NOTSET') {
        throw unsupported(call, `auto_pad ${JSON.stringify(autoPad).slice(0, 40)}`);
      }
      const steps = (extent + before + after - reach) / stride;
      positions = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
      if (ceil && (positions - 1) * stride >= extent + before) {
        positions--;
      }
    }
    if (!(positions > 0)) {
      throw malformed(call, `a window of ${reach} does not fit an extent of ${extent}`);
    }
    after = Math.max(after, (positions - 1) * stride + reach - extent - before);
    return { size, stride, dilation, before, after, extent, positions };
  });
  checkShape(call, [
    ...value.shape.slice(0, 2),
    ...windows.map(({ before, extent, after }) => before + extent + after),
  ]);
  return windows;
}

/** Windows over a sequence as windows over an image of one row; of those over a volume the last two. */
export function overImage(windows: readonly WindowAxis[]): [WindowAxis, WindowAxis] {
  const row: WindowAxis = { size: 1, stride: 1, dilation: 1, before: 0, after: 0, extent: 1, positions: 1 };
  const [rows = row, columns = row] = windows.slice(-2);
  return windows.length === 1 ? [row, windows[0]] : [rows, columns];
}

function isSamePadding(window: WindowAxis): boolean {
  const { extent, stride, positions, before } = window;
  const total = Math.max(0, (positions - 1) * stride + covered(window) - extent);
  return positions === Math.ceil(extent / stride) && before === Math.floor(total / 2);
}

/**
 * Images with the padding of their windows, and what is left of it to tfjs:
 * not all of its backends take paddings other than `same` and `valid`, in
 * gradients above all.
 *
 * @param filling what the padding is made of
 */
export function paddedImages(
  x: Tensor4D,
  windows: readonly [WindowAxis, WindowAxis],
  filling = 0,
): { x: Tensor4D; padding: 'same' | 'valid' } {
  if (windows.every(({ before, after }) => before === 0 && after === 0)) {
    return { x, padding: 'valid' };
  }
  if (windows.every(isSamePadding)) {
    return { x, padding: 'same' };
  }
  const [rows, columns] = windows;
  const pads: [number, number][] = [
    [0, 0],
    [rows.before, rows.after],
    [columns.before, columns.after],
    [0, 0],
  ];
  return { x: pad(x, pads, filling) as Tensor4D, padding: 'valid' };
}

/** The first operand as images [N, H, W, C]; a sequence is an image of one row, a volume as many images as it is deep. */
export function images(call: OperatorCall): Tensor4D {
  const value = operand(call, 0);
  const last = inLayout(call, value, 'last');
  const [batch, channels, ...spatial] = value.shape;
  const [depth, height, width] = [...Array(3 - spatial.length).fill(1), ...spatial] as number[];
  return spatial.length === 2
    ? (last as Tensor4D)
    : (reshape(last, [batch * depth, height, width, channels]) as Tensor4D);
}

/**
 * Images [N, H, W, C] as the value of an operator with that many spatial axes.
 *
 * @param depth of volumes
 */
export function fromImages(result: Tensor, axes: number, depth = 1): Value {
  const [images, height, width, channels] = result.shape;
  const spatial = [depth, height, width].slice(-axes);
  return channelsLastValue(axes === 2 ? result : reshape(result, [images / depth, ...spatial, channels]));
}
