import type { Lowering, OnnxBuilder } from './builder.js';
import type { GraphNode } from './graph.js';
import { NotCompilableError } from './trace.js';

/** Which old pixels a new pixel is made of: [position, share]. */
type Interpolation = (source: number, size: number) => [number, number][];

const bilinear: Interpolation = (source, size) => {
  const before = Math.floor(source);
  const share = source - before;
  return [
    [before, 1 - share],
    [Math.min(size - 1, before + 1), share],
  ];
};

const nearest =
  (alignCorners: boolean): Interpolation =>
  (source, size) => [[Math.min(size - 1, alignCorners ? Math.round(source) : Math.floor(source)), 1]];

/**
 * Which old positions along an axis each new one is made of, with their shares.
 *
 * @param node a kernel that resizes, or its gradient
 * @throws NotCompilableError for half-pixel centres
 */
export function resizedFrom(node: GraphNode, from: number, to: number): [number, number][][] {
  if (node.attributes.halfPixelCenters === true) {
    throw new NotCompilableError(`${node.kernel} with half-pixel centres`);
  }
  const alignCorners = node.attributes.alignCorners === true;
  const interpolation = node.kernel.startsWith('ResizeBilinear') ? bilinear : nearest(alignCorners);
  const ratio = alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
  return Array.from({ length: to }, (_, index) => interpolation(index * ratio, from));
}

/** The matrix [to, from] (or its transpose) that resizes along one axis, as an initialiser. */
function resizeMatrix(
  builder: OnnxBuilder,
  node: GraphNode,
  from: number,
  to: number,
  transposed: boolean,
): string {
  const matrix = new Float32Array(to * from);
  resizedFrom(node, from, to).forEach((shares, i) => {
    for (const [position, share] of shares) {
      matrix[transposed ? position * to + i : i * from + position] += share;
    }
  });
  const shape = transposed ? [from, to] : [to, from];
  return builder.initializer('float32', shape, matrix, `resize:${shape}:${matrix}`);
}

/** Resizing is linear and separable: a product with a matrix for rows and one for columns. */
const resize =
  (gradient: boolean): Lowering =>
  (node, builder) => {
    const { images, dy } = node.inputs;
    const [batch, height, width, channels] = builder.value(images).shape;
    const [newHeight, newWidth] = gradient
      ? builder.value(dy).shape.slice(1, 3)
      : (node.attributes.size as number[]);
    const rows = resizeMatrix(builder, node, height, newHeight, gradient);
    const columns = resizeMatrix(builder, node, width, newWidth, gradient);
    const source = gradient ? dy : images;
    const [, fromHeight, fromWidth] = builder.value(source).shape;
    const [toHeight, toWidth] = gradient ? [height, width] : [newHeight, newWidth];
    const flat = builder.reshape(builder.full(source), [batch, fromHeight, fromWidth * channels]);
    const tall = builder.add('MatMul', [rows, flat]);
    const split = builder.reshape(tall, [batch * toHeight, fromWidth, channels]);
    const wide = builder.add('MatMul', [columns, split]);
    return [builder.reshape(wide, [batch, toHeight, toWidth, channels])];
  };

/** Lowerings of the kernels that resize images. */
export const resizeLowerings: Readonly<Record<string, Lowering>> = {
  ResizeBilinear: resize(false),
  ResizeNearestNeighbor: resize(false),
  ResizeBilinearGrad: resize(true),
  ResizeNearestNeighborGrad: resize(true),
};
