import { AvgPoolGrad, backend_util, getKernel, Multiply } from '../tfjs-core.js';
import {
  averagePoolCounts,
  type ConvolutionGeometry,
  gatherAtPoolMaxima,
  scatterToPoolMaxima,
} from './array-kernels.js';
import {
  type ArrayPad,
  type Attributes,
  call,
  dispose,
  type NamedKernel,
  output,
  type Shape4D,
  values,
} from './kernel-calls.js';

/** Geometry of pooling by the attributes of its kernel. */
export function poolGeometry(
  inputShape: readonly number[],
  attrs: Readonly<Attributes>,
): ConvolutionGeometry {
  return backend_util.computePool2DInfo(
    inputShape as Shape4D,
    attrs.filterSize as number | [number, number],
    attrs.strides as number | [number, number],
    1,
    attrs.pad as ArrayPad as 'same',
    attrs.dimRoundingMode as 'floor' | undefined,
  );
}

/** Picks values at the positions that max pooling selects ({@link gatherAtPoolMaxima}). */
export const maxPoolGather: NamedKernel = ({ inputs, attrs, backend }) => {
  const geometry = poolGeometry(inputs.input.shape, attrs);
  const gathered = gatherAtPoolMaxima(
    values(backend, inputs.values),
    values(backend, inputs.input),
    geometry,
  );
  return output(backend, geometry.outShape, gathered);
};

/** The max-pooling gradient of the wasm backend puts gradients at wrong positions (checked against differences). */
export const maxPoolGradient: NamedKernel = ({ inputs, attrs, backend }) => {
  const { dy, input } = inputs;
  const geometry = poolGeometry(input.shape, attrs);
  const gradient = scatterToPoolMaxima(values(backend, dy), values(backend, input), geometry);
  return output(backend, input.shape, gradient);
};

/**
 * Average-pooling gradient that divides by the number of positions a window
 * covers, as the forward kernel does. The gradient kernels of tfjs divide by
 * the window size, which is wrong for windows that reach into the padding.
 */
export function countedAveragePoolGradient(backendName: string): NamedKernel {
  const gradient = getKernel(AvgPoolGrad, backendName).kernelFunc as unknown as NamedKernel;
  return ({ inputs, attrs, backend }) => {
    const geometry = poolGeometry(inputs.input.shape, attrs);
    const counts = averagePoolCounts(geometry);
    const windowSize = geometry.filterHeight * geometry.filterWidth;
    if (counts.every((count) => count === windowSize)) {
      return gradient({ inputs, attrs, backend });
    }
    const factors = output(
      backend,
      [1, geometry.outHeight, geometry.outWidth, 1],
      counts.map((count) => windowSize / count),
    );
    const scaled = call(backendName, Multiply, backend, { a: inputs.dy, b: factors }, {});
    const result = gradient({ inputs: { ...inputs, dy: scaled }, attrs, backend });
    dispose(backend, factors, scaled);
    return result;
  };
}
