import { elementCount, type OnnxCheckpoint } from '../../checkpoint/checkpoint.js';
import type { OnnxTensor } from '../../checkpoint/onnx-graph.js';
import { add, keep, reshape, type Tensor, tensor, transpose, zeros } from '../../tfjs-core.js';

/**
 * Numbers held outside of tfjs: constants, and what is computed from shapes.
 *
 * Shapes must never become tensors: in a compiled program they would be
 * constants that depend on the batch size.
 */
export interface HostValue extends OnnxTensor {
  readonly kind: 'host';
  /** The same in every run, so that its tensors may be kept. */
  readonly constant: boolean;
}

/**
 * A tensor, in the axis order of ONNX (channels first) or with the channels
 * moved to the end, as tfjs convolves; the other one is made when it is asked
 * for. At least one of the two is there.
 */
export interface TensorValue {
  readonly kind: 'tensor';
  /** In the axis order of ONNX. */
  readonly shape: readonly number[];
  first: Tensor | null;
  /** [N, ...spatial, C] of a value [N, C, ...spatial]. */
  last: Tensor | null;
}

/** What an operator takes and gives. */
export type Value = HostValue | TensorValue;

/** The order of a tensor's axes: as in ONNX, or channels last. */
export type Layout = 'first' | 'last';

/** The permutation from the ONNX order to channels last. */
export function toChannelsLast(rank: number): number[] {
  return [0, ...Array.from({ length: rank - 2 }, (_, axis) => axis + 2), 1];
}

/** The permutation from channels last to the ONNX order. */
export function toChannelsFirst(rank: number): number[] {
  return [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, axis) => axis + 1)];
}

/** Where an axis of the ONNX order lies in a layout. */
export function axisIn(layout: Layout, axis: number, rank: number): number {
  return layout === 'first' || axis === 0 ? axis : axis === 1 ? rank - 1 : axis - 1;
}

/** A shape (or anything else by axes) as it is in a layout. */
export function permuted<T>(layout: Layout, byAxis: readonly T[]): T[] {
  return layout === 'first' ? [...byAxis] : toChannelsLast(byAxis.length).map((axis) => byAxis[axis]);
}

/** A host value. */
export function hostValue(
  type: OnnxTensor['type'],
  shape: readonly number[],
  numbers: ArrayLike<number>,
  constant = false,
): HostValue {
  const values =
    type === 'float'
      ? Float32Array.from(numbers)
      : type === 'integer'
        ? Float64Array.from(numbers)
        : Uint8Array.from(numbers, Number);
  return { kind: 'host', type, shape, values, constant };
}

/** A value of the file, the same in every run. */
export function constantValue({ type, shape, values, range }: OnnxTensor): HostValue {
  return { kind: 'host', type, shape, values, constant: true, ...(range && { range }) };
}

/** Initialisers by name, as values. */
export function constantsOf({ weights, graph }: OnnxCheckpoint): Map<string, HostValue> {
  const floats = weights.map(({ name, shape, values }): [string, HostValue] => [
    name,
    constantValue({ shape, type: 'float', values: values as Float32Array }),
  ]);
  const others = [...graph.constants].map(([name, tensor]): [string, HostValue] => [
    name,
    constantValue(tensor),
  ]);
  return new Map([...others, ...floats]);
}

/** A value from a tensor in the ONNX order. */
export function tensorValue(first: Tensor): TensorValue {
  return { kind: 'tensor', shape: first.shape, first, last: null };
}

/** A value from a tensor [N, ...spatial, C]. */
export function channelsLastValue(last: Tensor): TensorValue {
  const shape = toChannelsFirst(last.rank).map((axis) => last.shape[axis]);
  return { kind: 'tensor', shape, first: null, last };
}

/** A value from a tensor in either layout. */
export function valueIn(layout: Layout, result: Tensor): TensorValue {
  return layout === 'first' ? tensorValue(result) : channelsLastValue(result);
}

const HOST_DTYPES = { float: 'float32', integer: 'int32', boolean: 'bool' } as const;

/** Tensors of constants, made once and kept until the network is disposed of. */
export class ConstantTensors {
  private readonly computed = new Map<object, readonly HostValue[]>();
  private readonly kept = new Map<HostValue, Map<string, Tensor>>();

  /** The tensor of a host value under a key; kept if the value is a constant. */
  get(value: HostValue, key: string, shape: readonly number[], numbers: () => HostValue['values']): Tensor {
    const known = this.kept.get(value)?.get(key);
    if (known !== undefined) {
      return known;
    }
    const data = numbers();
    const typed =
      value.type === 'integer'
        ? Int32Array.from(data)
        : value.type === 'float'
          ? data
          : Uint8Array.from(data);
    const made = tensor(typed as Float32Array, [...shape], HOST_DTYPES[value.type]);
    if (value.constant) {
      const tensors = this.kept.get(value) ?? new Map<string, Tensor>();
      this.kept.set(value, tensors.set(key, keep(made)));
    }
    return made;
  }

  /** Constants that follow from constants, computed once. */
  derived(key: object, compute: () => readonly HostValue[]): readonly HostValue[] {
    const known = this.computed.get(key) ?? compute();
    this.computed.set(key, known);
    return known;
  }

  dispose(): void {
    this.computed.clear();
    for (const tensors of this.kept.values()) {
      for (const constant of tensors.values()) {
        constant.dispose();
      }
    }
    this.kept.clear();
  }
}

/** The numbers of a host tensor with its axes permuted. */
export function transposedNumbers<T extends HostValue['values']>(
  values: T,
  shape: readonly number[],
  perm: readonly number[],
): T {
  const strides = rowMajorStrides(shape);
  const result = values.slice() as T;
  forEachIndex(
    perm.map((axis) => shape[axis]),
    (index, position) => {
      result[position] = values[index.reduce((offset, i, axis) => offset + i * strides[perm[axis]], 0)];
    },
  );
  return result;
}

/** Row-major strides of a shape. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides: number[] = new Array(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = strides[axis + 1] * shape[axis + 1];
  }
  return strides;
}

/** Visits every index of a shape in row-major order; the index array is reused. */
export function forEachIndex(
  shape: readonly number[],
  visit: (index: readonly number[], position: number) => void,
): void {
  const index = shape.map(() => 0);
  const count = elementCount(shape);
  for (let position = 0; position < count; position++) {
    visit(index, position);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]++;
      if (index[axis] < shape[axis]) {
        break;
      }
      index[axis] = 0;
    }
  }
}

/**
 * The tensor of a value in a layout, its rank raised to `rank` by leading ones
 * (as broadcasting would).
 */
export function tensorIn(value: Value, layout: Layout, constants: ConstantTensors, rank?: number): Tensor {
  const wanted = Math.max(rank ?? 0, value.shape.length);
  const shape = [...Array(wanted - value.shape.length).fill(1), ...value.shape] as number[];
  if (value.kind === 'host') {
    // A single number broadcasts in any layout.
    const same = layout === 'first' || value.values.length === 1;
    return constants.get(value, `${layout}:${wanted}`, permuted(layout, shape), () =>
      same ? value.values : transposedNumbers(value.values, shape, toChannelsLast(wanted)),
    );
  }
  if (layout === 'first') {
    const first = firstOf(value);
    return wanted === value.shape.length ? first : reshape(first, shape);
  }
  if (wanted === value.shape.length) {
    return lastOf(value);
  }
  return moved(reshape(firstOf(value), shape), toChannelsLast(wanted));
}

function firstOf(value: TensorValue): Tensor {
  value.first ??= moved(value.last as Tensor, toChannelsFirst(value.shape.length));
  return value.first;
}

function lastOf(value: TensorValue): Tensor {
  value.last ??= moved(value.first as Tensor, toChannelsLast(value.shape.length));
  return value.last;
}

/** Transposes; where at most one of the moved axes is longer than 1 nothing moves in memory. */
function moved(x: Tensor, perm: number[]): Tensor {
  const long = perm.filter((axis) => axis !== 0 && x.shape[axis] !== 1);
  const ordered = long.every((axis, index) => index === 0 || long[index - 1] < axis);
  return ordered
    ? reshape(
        x,
        perm.map((axis) => x.shape[axis]),
      )
    : transpose(x, perm);
}

/**
 * Repeats a tensor along axes of extent 1, by adding zeros: the gradient of
 * tfjs's own tile takes one kernel a repetition, a different program for every
 * batch size.
 *
 * @param repeats how often, 1 for axes longer than 1
 */
export function repeated(x: Tensor, repeats: readonly number[]): Tensor {
  return add(x, zeros([...repeats]));
}
