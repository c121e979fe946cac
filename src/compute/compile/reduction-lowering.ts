import { ONNX_TYPES } from '../../onnx-schema.js';
import type { Lowering } from './builder.js';
import { axes, input } from './kernel-inputs.js';

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
        ? builder.add(opType, [x, builder.integers(over)], { keepdims: 0 })
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
