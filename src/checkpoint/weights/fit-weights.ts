/** How an array of a weight file becomes a weight of a model: as it is, or with its axes in another order. */

import { type Checkpoint, type CheckpointWeight, elementCount } from '../checkpoint.js';
import {
  type Arrangement,
  fromTorch,
  fromTorchDepthwise,
  fromTorchFlattened,
  onnxAxisOrder,
  toTorch,
} from './axis-order.js';
import { flattenedFeatures } from './flattened-features.js';
import { type AxisOrder, isFlaxName } from './weight-names.js';

/** `as it is`, or rearranged; null: the array cannot become the weight. */
export type Fit = Arrangement | 'as it is' | null;

/** A weight of the model; its values do not matter. */
type Target = Pick<CheckpointWeight, 'name' | 'shape'>;

/** An array of the file, and the order of axes that its name implies. */
interface Source {
  name: string;
  shape: readonly number[];
  order: AxisOrder | null;
}

/** The fits of the arrays of a file to the weights of a model. */
export interface Fitting {
  /** What the convention of the array's name gives. */
  byConvention(target: Target, source: Source): Fit;
  /**
   * As `byConvention`; but for ONNX, and for names that are the same to the letter, an array whose shape fits only
   * against the convention is taken all the same.
   */
  fit(target: Target, source: Source, exactName: boolean): Fit;
  /** Whether a torch array goes over features that may be flattened images of unknown shape. */
  unknownFlattening(target: Target, source: Source): boolean;
}

/** Whether two shapes are the same. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** The fits to a model's weights. */
export function createFitting(architecture: Checkpoint): Fitting {
  const onnx = architecture.format === 'onnx';
  const images = onnx ? new Map<string, never>() : flattenedFeatures(architecture.topology);
  const rearrange = onnx
    ? (target: Target, source: Source) => toOnnx(onnxAxisOrder(architecture.graph, target.name), source)
    : layersRearrangement(images);
  const byConvention = (target: Target, source: Source): Fit => {
    const how = rearrange(target, source);
    const shape = how === 'as it is' || how === null ? source.shape : how.shape;
    return how !== null && sameShape(shape, target.shape) ? how : null;
  };
  return {
    byConvention,
    fit: (target, source, exactName) => {
      const fit = byConvention(target, source);
      if (fit !== null) return fit;
      if ((onnx || exactName) && sameShape(source.shape, target.shape)) return 'as it is';
      if (!onnx || source.order === null || source.shape.length !== 2) return null;
      const turned = fromTorch(source.shape);
      return sameShape(turned.shape, target.shape) ? turned : null;
    },
    unknownFlattening: (target, source) =>
      isOverInputs(target) && comesFromTorch(source) && imageOf(images, target) === 'unknown',
  };
}

function toOnnx(taken: AxisOrder | null, { shape, order }: Source): Fit {
  if (order === null || taken === null || taken === order) return 'as it is';
  if (shape.length < 2) return null;
  return taken === 'torch' ? toTorch(shape) : fromTorch(shape);
}

function layersRearrangement(images: ReadonlyMap<string, number[] | 'unknown'>) {
  return (target: Target, source: Source): Fit => {
    const { shape } = source;
    const kernel = source.order === 'torch' && /(^|_)kernel$/.test(partOf(target));
    const image = isOverInputs(target) && comesFromTorch(source) ? imageOf(images, target) : null;
    const reordered = Array.isArray(image) ? fromTorchFlattened(shape, image) : null;
    if (reordered !== null) return reordered;
    if (!kernel) return 'as it is';
    if (partOf(target) === 'depthwise_kernel') return fromTorchDepthwise(shape, target.shape.at(-2) ?? 1);
    return shape.length < 2 ? null : fromTorch(shape);
  };
}

function partOf({ name }: Target): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

/** A bias is over the outputs of its layer, whose order is the same; kernels and normalisations are over its inputs. */
function isOverInputs(target: Target): boolean {
  return partOf(target) !== 'bias';
}

/** Kernels say so; vectors by torch's names for them. */
function comesFromTorch({ name, order }: Source): boolean {
  return (
    order === 'torch' || (/(^|\.)(weight|bias|running_mean|running_var)$/.test(name) && !isFlaxName(name))
  );
}

/** The image that the inputs of a weight were flattened from; null where they were not, or the order is the same. */
function imageOf(
  images: ReadonlyMap<string, number[] | 'unknown'>,
  { name, shape }: Target,
): number[] | 'unknown' | null {
  const image = images.get(name.split('/').at(-2) ?? '') ?? null;
  if (image === null || image === 'unknown') return image;
  if (elementCount(image) !== shape[0]) return 'unknown';
  return image.slice(0, -1).every((size) => size === 1) ? null : image;
}
