import {
  type AttributeSketch,
  type ModelSketch,
  type NodeSketch,
  normalWeight,
} from '../../support/onnx-models.js';

/** A network with operators of a kind between a convolution and a product. */
export interface NetworkCase {
  name: string;
  sketch: ModelSketch;
}

/** Attributes by name. */
export type Attributes = Record<string, AttributeSketch>;
/** Float initialisers by name. */
export type Weights = NonNullable<ModelSketch['weights']>;

/** A node with one output. */
export function node(op: string, inputs: string[], output: string, attributes: Attributes = {}): NodeSketch {
  return { op, inputs, outputs: [output], attributes };
}

const OUTPUTS = 3;

/**
 * A convolution of images [2, 6, 5] to 4 channels with tanh (named `x`), some
 * nodes that end in `y`, the mean over what follows the first `axes` axes kept,
 * and a product to three outputs.
 */
export function imageCase(
  name: string,
  nodes: readonly NodeSketch[],
  features: number,
  rest: { weights?: Weights; constants?: ModelSketch['constants']; opset?: number } = {},
): NetworkCase {
  return {
    name,
    sketch: {
      opset: rest.opset ?? 17,
      input: [null, 2, 6, 5],
      nodes: [
        node('Conv', ['input', 'stem', 'stemBias'], 'c', { pads: [1, 1, 1, 1] }),
        node('Tanh', ['c'], 'x'),
        ...nodes,
        node('Flatten', ['y'], 'flat'),
        node('Gemm', ['flat', 'head', 'headBias'], 'logits', { transB: 1 }),
      ],
      weights: {
        stem: normalWeight([4, 2, 3, 3], 1, 0.3),
        stemBias: normalWeight([4], 2, 0.3),
        head: normalWeight([OUTPUTS, features], 3, 1 / Math.sqrt(features)),
        headBias: normalWeight([OUTPUTS], 4, 0.3),
        ...rest.weights,
      },
      constants: rest.constants,
    },
  };
}

/** Numbers of `x`. */
export const FULL = 4 * 6 * 5;
