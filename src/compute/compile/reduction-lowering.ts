import { ONNX_TYPES } from '../../onnx-schema.js';
import type { Lowering, OnnxBuilder } from './builder.js';
import { axes, input } from './kernel-inputs.js';

/** Fewer rows are summed at once. */
const FEWEST_ROWS = 512;
/** Parts of the rows whose sums are computed apart: work for several threads, and less rounding. */
const MOST_PARTS = 64;

/** The most parts of equal size, a power of two, with at least as many rows each as there are parts. */
function partsOf(rows: number): number {
  let parts = 1;
  while (2 * parts <= MOST_PARTS && rows % (2 * parts) === 0 && rows / (2 * parts) >= 2 * parts) {
    parts *= 2;
  }
  return parts;
}

/**
 * Sum over the first axes. ONNX Runtime divides it over threads by columns,
 * which makes few columns slower with two threads than with one (3.4 times
 * over a training step of ResNet20, measured); parts of the rows are independent.
 */
function sumOfRows(builder: OnnxBuilder, x: string, shape: readonly number[], axesSummed: number): string {
  const rows = shape.slice(0, axesSummed).reduce((product, extent) => product * extent, 1);
  const parts = rows < FEWEST_ROWS ? 1 : partsOf(rows);
  const rest = shape.slice(axesSummed);
  const sum = (of: string, over: readonly number[]): string =>
    builder.add('ReduceSum', [of, builder.integers(over)], { keepdims: 0 });
  return parts === 1
    ? sum(
        x,
        Array.from({ length: axesSummed }, (_, axis) => axis),
      )
    : sum(sum(builder.reshape(x, [parts, rows / parts, ...rest]), [1]), [0]);
}

/** Reductions go by the shape of the result, whatever `keepDims` says. */
const reduction =
  (opType: 'ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'ReduceMin', attribute: string): Lowering =>
  (node, builder) => {
    const id = input(node, 'x');
    const { shape } = builder.value(id);
    const over = axes(node, shape.length, attribute);
    const x = builder.full(id);
    const reduced =
      opType === 'ReduceSum'
        ? over.length > 0 && over.length < shape.length && over.every((axis, index) => axis === index)
          ? sumOfRows(builder, x, shape, over.length)
          : builder.add(opType, [x, builder.integers(over)], { keepdims: 0 })
        : builder.add(opType, [x], { axes: over, keepdims: 0 });
    const result = builder.value(node.outputs[0]).shape;
    return [result.length === shape.length - over.length ? reduced : builder.reshape(reduced, result)];
  };

/** Whether any element along the axes is true. */
const any: Lowering = (node, builder) => {
  const id = input(node, 'x');
  const numbers = builder.add('Cast', [builder.full(id)], { to: ONNX_TYPES.float32 });
  const largest = builder.add('ReduceMax', [numbers], {
    axes: axes(node, builder.value(id).shape.length),
    keepdims: 0,
  });
  const found = builder.add('Cast', [largest], { to: ONNX_TYPES.bool });
  return [builder.reshape(found, builder.value(node.outputs[0]).shape)];
};

/** Lowerings of kernels that reduce axes to one number. */
export const reductionLowerings: Readonly<Record<string, Lowering>> = {
  Sum: reduction('ReduceSum', 'axis'),
  Mean: reduction('ReduceMean', 'axis'),
  Max: reduction('ReduceMax', 'reductionIndices'),
  Min: reduction('ReduceMin', 'axis'),
  Any: any,
};
