import {
  AvgPoolGrad,
  add,
  avgPool,
  backend_util,
  Conv2DBackpropFilter,
  conv2d,
  conv2dTranspose,
  DepthwiseConv2dNativeBackpropFilter,
  DepthwiseConv2dNativeBackpropInput,
  depthwiseConv2d,
  Elu,
  Equal,
  engine,
  exp,
  FusedBatchNorm,
  type GradConfig,
  Greater,
  GreaterEqual,
  getGradient,
  Less,
  LessEqual,
  LogicalAnd,
  LogicalNot,
  LogicalOr,
  MaxPoolGrad,
  mul,
  NotEqual,
  neg,
  ResizeBilinear,
  ResizeBilinearGrad,
  ResizeNearestNeighbor,
  ResizeNearestNeighborGrad,
  registerGradient,
  reshape,
  rsqrt,
  Selu,
  step,
  sub,
  sum,
  type Tensor,
  type Tensor4D,
  unregisterGradient,
  zeros,
} from '../tfjs-core.js';
import { MAX_POOL_GATHER } from './kernels.js';

/** Attributes of a tfjs kernel call, as they come: untyped in tfjs itself. */
type Attributes = Record<string, unknown>;
type Shape4D = [number, number, number, number];
type Pair = [number, number] | number;
type Pad = 'same' | 'valid' | number;
type Rounding = 'floor' | 'round' | 'ceil' | undefined;

interface WindowAttributes {
  strides: Pair;
  pad: Pad;
  dataFormat: 'NHWC';
  dimRoundingMode: Rounding;
  dilations: Pair;
  filterSize: Pair;
}

function windowOf(attrs: Attributes): WindowAttributes {
  return attrs as unknown as WindowAttributes;
}

function gradientConfig(
  kernelName: string,
  inputsToSave: string[],
  gradient: (dy: Tensor, saved: Tensor[], attrs: Attributes) => Record<string, () => Tensor>,
): GradConfig {
  return { kernelName, inputsToSave, gradFunc: gradient as unknown as GradConfig['gradFunc'] };
}

function runKernel(name: string, inputs: Record<string, Tensor>, attrs: Attributes = {}): Tensor {
  return engine().runKernel(name, inputs, attrs as never) as Tensor;
}

function zeroGradients(kernelName: string, ...inputs: string[]): GradConfig {
  return gradientConfig(kernelName, inputs, (_dy, saved) =>
    Object.fromEntries(inputs.map((name, index) => [name, () => zeros(saved[index].shape)])),
  );
}

/**
 * The filter gradient is bilinear in the input and the output gradient, so its
 * own derivatives are an input gradient and a convolution.
 */
const filterGradientConfig = gradientConfig(Conv2DBackpropFilter, ['x', 'dy'], (ddFilter, [x, dy], attrs) => {
  const { strides, pad, dataFormat, dimRoundingMode } = windowOf(attrs);
  const filter = ddFilter as Tensor4D;
  return {
    x: () =>
      conv2dTranspose(dy as Tensor4D, filter, x.shape as Shape4D, strides, pad as 'same', dimRoundingMode),
    dy: () => conv2d(x as Tensor4D, filter, strides, pad as 'same', dataFormat, 1, dimRoundingMode),
  };
});

const depthwiseFilterGradientConfig = gradientConfig(
  DepthwiseConv2dNativeBackpropFilter,
  ['x', 'dy'],
  (ddFilter, [x, dy], attrs) => {
    const { strides, pad, dimRoundingMode, dilations } = windowOf(attrs);
    const filter = ddFilter as Tensor4D;
    return {
      x: () =>
        runKernel(DepthwiseConv2dNativeBackpropInput, { dy, filter }, { ...attrs, inputShape: x.shape }),
      dy: () =>
        depthwiseConv2d(x as Tensor4D, filter, strides, pad as 'same', 'NHWC', dilations, dimRoundingMode),
    };
  },
);

const depthwiseInputGradientConfig = gradientConfig(
  DepthwiseConv2dNativeBackpropInput,
  ['dy', 'filter'],
  (ddInput, [dy, filter], attrs) => {
    const { strides, pad, dimRoundingMode, dilations } = windowOf(attrs);
    const x = ddInput as Tensor4D;
    return {
      dy: () =>
        depthwiseConv2d(x, filter as Tensor4D, strides, pad as 'same', 'NHWC', dilations, dimRoundingMode),
      filter: () =>
        runKernel(DepthwiseConv2dNativeBackpropFilter, { x, dy }, { ...attrs, filterShape: filter.shape }),
    };
  },
);

/** Max pooling selects positions; where the selection does not change, its gradient is linear in `dy`. */
const maxPoolGradientConfig = gradientConfig(
  MaxPoolGrad,
  ['input', 'output'],
  (ddInput, [input, output], attrs) => ({
    dy: () => runKernel(MAX_POOL_GATHER, { values: ddInput, input }, attrs),
    input: () => zeros(input.shape),
    output: () => zeros(output.shape),
  }),
);

/** Gathering at fixed positions is linear; its adjoint scatters, as the max-pooling gradient does. */
const maxPoolGatherConfig = gradientConfig(MAX_POOL_GATHER, ['input'], (dy, [input], attrs) => ({
  values: () => runKernel(MaxPoolGrad, { dy, input, output: dy }, attrs),
}));

const averagePoolGradientConfig = gradientConfig(AvgPoolGrad, ['input'], (ddInput, [input], attrs) => {
  const { filterSize, strides, pad, dimRoundingMode } = windowOf(attrs);
  return {
    dy: () => avgPool(ddInput as Tensor4D, filterSize, strides, pad as 'same', dimRoundingMode),
    input: () => zeros(input.shape),
  };
});

/** The tfjs gradient of Elu runs a kernel (EluGrad) that has no gradient itself; this one is made of primitives. */
const eluConfig = gradientConfig(Elu, ['x'], (dy, [x]) => ({
  x: () => {
    const positive = step(x);
    const negative = sub(1, positive);
    return mul(dy, add(positive, mul(negative, exp(mul(x, negative)))));
  },
}));

/**
 * The tfjs gradient of Selu computes the exponential of positive numbers too
 * and selects afterwards: one that overflows makes its derivative 0 * Infinity.
 */
const seluConfig = gradientConfig(Selu, ['x'], (dy, [x]) => ({
  x: () => {
    const positive = step(x);
    const negative = sub(1, positive);
    const slope = add(
      mul(positive, backend_util.SELU_SCALE),
      mul(mul(negative, exp(mul(x, negative))), backend_util.SELU_SCALEALPHA),
    );
    return mul(dy, slope);
  },
}));

/** Sums a gradient over the axes along which a parameter was broadcast to the input's shape. */
function sumToShape(gradient: Tensor, shape: number[]): Tensor {
  const padded = [...Array(gradient.rank - shape.length).fill(1), ...shape];
  const axes = padded.flatMap((extent, axis) => (extent === 1 && gradient.shape[axis] > 1 ? [axis] : []));
  return reshape(axes.length === 0 ? gradient : sum(gradient, axes), shape);
}

/**
 * Batch normalisation with fixed statistics is affine in its input. The tfjs
 * gradient tiles the statistics to the size of the input first, which costs
 * more than the convolutions around it; broadcasting does the same.
 */
const batchNormConfig = gradientConfig(
  FusedBatchNorm,
  ['x', 'mean', 'variance', 'scale', 'offset'],
  (dy, [x, mean, variance, scale, offset], attrs) => {
    const inverseDeviation = rsqrt(add(variance, attrs.varianceEpsilon as number));
    const normalized = (): Tensor => mul(sub(x, mean), inverseDeviation);
    const scaledGradient = (): Tensor => mul(dy, mul(scale, inverseDeviation));
    return {
      x: scaledGradient,
      mean: () => sumToShape(neg(scaledGradient()), mean.shape),
      variance: () =>
        sumToShape(mul(mul(scaledGradient(), normalized()), mul(inverseDeviation, -0.5)), variance.shape),
      scale: () => sumToShape(mul(dy, normalized()), scale.shape),
      offset: () => sumToShape(dy, offset.shape),
    };
  },
);

/** Nearest and bilinear resizing are linear: the adjoint of their gradient is the resizing itself. */
function resizeGradientConfig(gradientKernel: string, forwardKernel: string): GradConfig {
  return gradientConfig(gradientKernel, ['images', 'dy'], (ddImages, [images, dy], attrs) => ({
    dy: () => runKernel(forwardKernel, { images: ddImages }, { ...attrs, size: [dy.shape[1], dy.shape[2]] }),
    images: () => zeros(images.shape),
  }));
}

const comparisons = [Equal, NotEqual, Greater, GreaterEqual, Less, LessEqual, LogicalAnd, LogicalOr];

/**
 * Registers the gradients that tfjs lacks for second derivatives, and replaces
 * those that are themselves not differentiable or needlessly slow.
 *
 * Safe to call repeatedly: a registered gradient is replaced by itself.
 */
export function registerSecondOrderGradients(): void {
  const configs = [
    filterGradientConfig,
    depthwiseFilterGradientConfig,
    depthwiseInputGradientConfig,
    maxPoolGradientConfig,
    maxPoolGatherConfig,
    averagePoolGradientConfig,
    eluConfig,
    seluConfig,
    batchNormConfig,
    resizeGradientConfig(ResizeNearestNeighborGrad, ResizeNearestNeighbor),
    resizeGradientConfig(ResizeBilinearGrad, ResizeBilinear),
    zeroGradients(LogicalNot, 'x'),
    ...comparisons.map((kernelName) => zeroGradients(kernelName, 'a', 'b')),
  ];
  for (const config of configs) {
    if (getGradient(config.kernelName) !== undefined) {
      unregisterGradient(config.kernelName);
    }
    registerGradient(config);
  }
}
