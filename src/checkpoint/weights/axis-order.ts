/** Rearranging the axes of weights between the orders of torch, Keras and ONNX. */
import { permuteAxes } from '../../formats/axes.js';
import { type CheckpointWeight, elementCount } from '../checkpoint.js';
import type { OnnxGraph, OnnxNode } from '../onnx-graph.js';
import type { AxisOrder } from './weight-names.js';

/** How an array becomes a weight: seen as another shape, its axes permuted. */
export interface Arrangement {
  /** A shape of as many elements that the array is seen as. */
  seenAs: readonly number[];
  /** `permutation[k]` is the axis of `seenAs` that becomes axis k. */
  permutation: readonly number[];
  /** The shape of the weight. */
  shape: readonly number[];
}

/** An arrangement whose result is seen as it comes out. */
function permuted(seenAs: readonly number[], permutation: readonly number[]): Arrangement {
  return { seenAs, permutation, shape: permutation.map((axis) => seenAs[axis]!) };
}

/**
 * How an array in torch's order becomes a kernel in Keras's: Linear, Conv and ConvTranspose alike end with their
 * first two axes exchanged, and begin with the window.
 */
export function fromTorch(shape: readonly number[]): Arrangement {
  const window = shape.slice(2).map((_, axis) => axis + 2);
  return permuted(shape, [...window, 1, 0]);
}

/** How a kernel in Keras's order becomes one in torch's. */
export function toTorch(shape: readonly number[]): Arrangement {
  const last = shape.length - 1;
  const window = shape.slice(2).map((_, axis) => axis);
  return permuted(shape, [last, last - 1, ...window]);
}

/**
 * How a depthwise kernel in torch's order, [in * multiplier, 1, ...window], becomes Keras's
 * [...window, in, multiplier]. In both, output channel `in * multiplier + m` is channel m of input `in`.
 *
 * @param inputs number of input channels
 * @returns null for an array that is no depthwise kernel of so many inputs
 */
export function fromTorchDepthwise(shape: readonly number[], inputs: number): Arrangement | null {
  const [outputs, one, ...window] = shape;
  if (one !== 1 || !outputs || outputs % inputs !== 0) return null;
  return permuted([inputs, outputs / inputs, ...window], [...window.map((_, axis) => axis + 2), 0, 1]);
}

/**
 * How an array over flattened images in torch's order, channels before window, becomes one in Keras's order,
 * window before channels: a Linear kernel [out, channels * window], or a vector [channels * window].
 *
 * @param image [...window, channels] before it was flattened
 * @returns null for an array that is not over such images
 */
export function fromTorchFlattened(shape: readonly number[], image: readonly number[]): Arrangement | null {
  const window = image.slice(0, -1);
  const channels = image.at(-1)!;
  if (shape.length < 1 || shape.length > 2 || shape.at(-1) !== elementCount(image)) return null;
  const first = shape.length - 1; // axes before those of the image: [out], or none
  const permutation = [...window.map((_, axis) => first + 1 + axis), first];
  return {
    seenAs: [...shape.slice(0, -1), channels, ...window],
    permutation: first === 1 ? [...permutation, 0] : permutation,
    shape: [...shape].reverse(),
  };
}

/** The values in their new order; a new array. */
export function arrange(
  values: CheckpointWeight['values'],
  { seenAs, permutation }: Arrangement,
): CheckpointWeight['values'] {
  return permuteAxes(values, seenAs, permutation);
}

/**
 * The order in which a graph takes the axes of a kernel: torch's for Conv, ConvTranspose, Gemm with transB and
 * the left operand of MatMul, Keras's [in, out] for Gemm without and the right operand of MatMul. A Transpose of
 * the kernel itself is followed.
 *
 * @returns null for a weight that none of these takes
 */
export function onnxAxisOrder({ nodes }: OnnxGraph, weight: string): AxisOrder | null {
  for (const node of nodes) {
    const order = takenOrder(node, weight);
    if (order !== null) return order;
    if (node.opType !== 'Transpose' || node.inputs[0] !== weight) continue;
    for (const next of nodes) {
      const after = takenOrder(next, node.outputs[0]!);
      if (after !== null) return after === 'torch' ? 'keras' : 'torch';
    }
  }
  return null;
}

function takenOrder({ opType, inputs, attributes }: OnnxNode, operand: string): AxisOrder | null {
  if (opType === 'MatMul' && inputs[0] === operand) return 'torch';
  if (inputs[1] !== operand) return null;
  if (opType === 'Conv' || opType === 'ConvTranspose') return 'torch';
  if (opType === 'MatMul') return 'keras';
  if (opType !== 'Gemm') return null;
  const transposed = attributes.get('transB');
  return transposed?.kind === 'int' && transposed.value !== 0 ? 'torch' : 'keras';
}
