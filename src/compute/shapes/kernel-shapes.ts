/** What shapes and types the kernels of tfjs give, by those of what they read and their attributes. */
import { backend_util, type DataType, slice_util, type TensorInfo, util } from '../../tfjs-core.js';
import { convolutionGeometry } from '../convolution-kernels.js';
import { MAX_POOL_GATHER } from '../kernels.js';
import { poolGeometry } from '../pooling-kernels.js';

/** A result as far as it is known. */
export interface ShapedOutput {
  shape: readonly number[];
  dtype: DataType;
}

/** A call of a kernel; variable numbers of inputs are under their positions. */
export interface ShapeCall {
  inputs: Readonly<Record<string, TensorInfo>>;
  attributes: Readonly<Record<string, unknown>>;
}

export type ShapeRule = (call: ShapeCall) => ShapedOutput | ShapedOutput[];

/** As the input of that name, or the first. */
const same =
  (name?: string): ShapeRule =>
  ({ inputs }) => {
    const { shape, dtype } = name === undefined ? Object.values(inputs)[0] : inputs[name];
    return { shape, dtype };
  };

/** As the first input but for its type. */
const sameShape =
  (dtype: DataType): ShapeRule =>
  ({ inputs }) => ({ shape: Object.values(inputs)[0].shape, dtype });

const broadcast =
  (dtype?: DataType): ShapeRule =>
  ({ inputs: { a, b } }) => ({
    shape: backend_util.assertAndGetBroadcastShape(a.shape, b.shape),
    dtype: dtype ?? a.dtype,
  });

/** The shape that an attribute states, of the type of the first input. */
const stated =
  (attribute: string): ShapeRule =>
  ({ inputs, attributes }) => ({
    shape: attributes[attribute] as number[],
    dtype: Object.values(inputs)[0].dtype,
  });

const reduced =
  (attribute: string, dtype?: DataType): ShapeRule =>
  ({ inputs: { x }, attributes }) => {
    const axes = util.parseAxisParam(attributes[attribute] as number | number[], x.shape);
    const isKept = attributes.keepDims === true;
    return {
      shape: x.shape.flatMap((extent, axis) => (!axes.includes(axis) ? [extent] : isKept ? [1] : [])),
      dtype: dtype ?? x.dtype,
    };
  };

const matrixProduct: ShapeRule = ({ inputs: { a, b }, attributes: { transposeA, transposeB } }) => {
  const rows = a.shape.at(transposeA === true ? -1 : -2)!;
  const columns = b.shape.at(transposeB === true ? -2 : -1)!;
  const batch = backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  return { shape: [...batch, rows, columns], dtype: a.dtype };
};

const convolution =
  (depthwise: boolean): ShapeRule =>
  ({ inputs: { x, filter }, attributes }) => ({
    shape: convolutionGeometry(x.shape, filter.shape, attributes, depthwise).outShape,
    dtype: x.dtype,
  });

const pooled =
  (name: string): ShapeRule =>
  ({ inputs, attributes }) => ({
    shape: poolGeometry(inputs[name].shape, attributes).outShape,
    dtype: inputs[name].dtype,
  });

const resized: ShapeRule = ({ inputs: { images }, attributes }) => {
  const [batch, , , channels] = images.shape;
  const [height, width] = attributes.size as [number, number];
  return { shape: [batch, height, width, channels], dtype: 'float32' };
};

const axisOf = (attributes: ShapeCall['attributes'], rank: number): number =>
  util.parseAxisParam((attributes.axis as number | undefined) ?? 0, new Array<number>(rank).fill(1))[0];

/** The shapes of kernels that arrange numbers anew. */
const arranging: Readonly<Record<string, ShapeRule>> = {
  Reshape: ({ inputs: { x }, attributes }) => ({
    shape: util.inferFromImplicitShape(attributes.shape as number[], util.sizeFromShape(x.shape)),
    dtype: x.dtype,
  }),
  ExpandDims: ({ inputs: { input }, attributes }) => {
    const dim = attributes.dim as number;
    const at = dim < 0 ? input.shape.length + dim + 1 : dim;
    return { shape: [...input.shape.slice(0, at), 1, ...input.shape.slice(at)], dtype: input.dtype };
  },
  Transpose: ({ inputs: { x }, attributes }) => ({
    shape: (attributes.perm as number[]).map((axis) => x.shape[axis]),
    dtype: x.dtype,
  }),
  Tile: ({ inputs: { x }, attributes }) => ({
    shape: x.shape.map((extent, axis) => extent * (attributes.reps as number[])[axis]),
    dtype: x.dtype,
  }),
  Slice: ({ inputs: { x }, attributes: { begin, size } }) => {
    // As they were asked for: one number, of fewer axes, or left out.
    const [, shape] = slice_util.parseSliceParams(
      x as never,
      begin as number | number[],
      size as number | number[] | undefined,
    );
    return { shape, dtype: x.dtype };
  },
  PadV2: ({ inputs: { x }, attributes }) => ({
    shape: x.shape.map((extent, axis) => {
      const [before, after] = (attributes.paddings as [number, number][])[axis];
      return before + extent + after;
    }),
    dtype: x.dtype,
  }),
  Concat: ({ inputs, attributes }) => {
    const [first, ...rest] = Object.values(inputs);
    const axis = axisOf(attributes, first.shape.length);
    const along = rest.reduce((sum, { shape }) => sum + shape[axis], first.shape[axis]);
    return { shape: first.shape.with(axis, along), dtype: first.dtype };
  },
  SplitV: ({ inputs: { x }, attributes }) => {
    const axis = axisOf(attributes, x.shape.length);
    const sizes = backend_util.prepareSplitSize(
      x as never,
      attributes.numOrSizeSplits as number | number[],
      axis,
    );
    return sizes.map((size) => ({ shape: x.shape.with(axis, size), dtype: x.dtype }));
  },
  Unpack: ({ inputs: { value }, attributes }) => {
    const axis = axisOf(attributes, value.shape.length);
    const shape = value.shape.toSpliced(axis, 1);
    return Array.from({ length: value.shape[axis] }, () => ({ shape, dtype: value.dtype }));
  },
  Pack: ({ inputs, attributes }) => {
    const tensors = Object.values(inputs);
    const [{ shape, dtype }] = tensors;
    return { shape: shape.toSpliced(axisOf(attributes, shape.length + 1), 0, tensors.length), dtype };
  },
  GatherV2: ({ inputs: { x, indices }, attributes }) => {
    const batchDims = (attributes.batchDims as number | undefined) ?? 0;
    const axis = axisOf(attributes, x.shape.length);
    return {
      shape: [...x.shape.slice(0, axis), ...indices.shape.slice(batchDims), ...x.shape.slice(axis + 1)],
      dtype: x.dtype,
    };
  },
};

const entries = (names: readonly string[], rule: ShapeRule): Record<string, ShapeRule> =>
  Object.fromEntries(names.map((name) => [name, rule]));

/** The rule of every kernel that has one, by its name. */
export const kernelShapes: Readonly<Record<string, ShapeRule>> = {
  ...entries(
    [
      ...[
        'Abs',
        'Ceil',
        'ClipByValue',
        'Cos',
        'Elu',
        'Erf',
        'Exp',
        'Expm1',
        'Floor',
        'Identity',
        'LeakyRelu',
      ],
      ...['Log', 'Log1p', 'Neg', 'Reciprocal', 'Relu', 'Relu6', 'Reverse', 'Rsqrt', 'Selu'],
      ...['Sigmoid', 'Sign', 'Sin', 'Softmax', 'Softplus', 'Sqrt', 'Square', 'Step', 'Tanh'],
      ...['ZerosLike', 'OnesLike', 'AddN'],
    ],
    same(),
  ),
  ...entries(['FusedBatchNorm', 'Prelu'], same('x')),
  ...entries(['Add', 'Sub', 'Multiply', 'Maximum', 'Minimum', 'Pow', 'SquaredDifference'], broadcast()),
  ...entries(
    ['Equal', 'NotEqual', 'Greater', 'GreaterEqual', 'Less', 'LessEqual', 'LogicalAnd', 'LogicalOr'],
    broadcast('bool'),
  ),
  RealDiv: broadcast('float32'),
  LogicalNot: sameShape('bool'),
  Cast: ({ inputs: { x }, attributes }) => ({ shape: x.shape, dtype: attributes.dtype as DataType }),
  Select: same('t'),
  Sum: reduced('axis'),
  Mean: reduced('axis', 'float32'),
  Max: reduced('reductionIndices'),
  Min: reduced('axis'),
  Any: reduced('axis', 'bool'),
  All: reduced('axis', 'bool'),
  ArgMax: reduced('axis', 'int32'),
  BatchMatMul: matrixProduct,
  _FusedMatMul: matrixProduct,
  Conv2D: convolution(false),
  FusedConv2D: convolution(false),
  DepthwiseConv2dNative: convolution(true),
  FusedDepthwiseConv2D: convolution(true),
  ...entries(['Conv2DBackpropInput', 'DepthwiseConv2dNativeBackpropInput'], stated('inputShape')),
  ...entries(['Conv2DBackpropFilter', 'DepthwiseConv2dNativeBackpropFilter'], stated('filterShape')),
  ...entries(['MaxPool', 'AvgPool'], pooled('x')),
  [MAX_POOL_GATHER]: pooled('input'),
  ...entries(['MaxPoolGrad', 'AvgPoolGrad'], same('input')),
  ...entries(['ResizeBilinear', 'ResizeNearestNeighbor'], resized),
  ...entries(['ResizeBilinearGrad', 'ResizeNearestNeighborGrad'], same('images')),
  ...arranging,
};
