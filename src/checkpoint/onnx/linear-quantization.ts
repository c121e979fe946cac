/**
 * Numbers stored as integer codes: x = (code - zero point) * scale, as DequantizeLinear has it
 * (https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html), in float32.
 */
import { elementCount } from '../checkpoint.js';
import type { OnnxNode, OnnxTensor } from '../onnx-graph.js';

/** How codes stand for numbers. */
export interface LinearQuantization {
  scale: OnnxTensor;
  /** Of the scale's shape; null for zeros. */
  zeroPoint: OnnxTensor | null;
  /** The axis that several scales go along. */
  axis: number;
  /** Codes along the axis that have a scale in common; 0: one scale, or one a position. */
  blockSize: number;
}

/** Of uint8. */
const DEFAULT_RANGE = [0, 255] as const;

function whole(node: OnnxNode, name: string, fallback: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'int' ? attribute.value : fallback;
}

/** The quantisation of a QuantizeLinear or DequantizeLinear node. */
export function linearQuantization(
  node: OnnxNode,
  scale: OnnxTensor,
  zeroPoint: OnnxTensor | null,
): LinearQuantization {
  return { scale, zeroPoint, axis: whole(node, 'axis', 1), blockSize: whole(node, 'block_size', 0) };
}

/**
 * Which scale each number has.
 *
 * @throws RangeError where scales, zero points and numbers do not fit
 */
function scaleIndex(
  { scale, zeroPoint, axis, blockSize }: LinearQuantization,
  shape: readonly number[],
): (position: number) => number {
  const misfit = (): RangeError =>
    new RangeError(
      `a scale [${scale.shape}]${zeroPoint === null ? '' : ` with a zero point [${zeroPoint.shape}]`} does not fit numbers [${shape}] on axis ${axis}`,
    );
  if (zeroPoint !== null && zeroPoint.values.length !== scale.values.length) throw misfit();
  if (scale.values.length === 1 && blockSize === 0) return () => 0;
  const at = axis < 0 ? axis + shape.length : axis;
  const extent = shape[at];
  if (extent === undefined || !Number.isInteger(at)) throw misfit();
  const inner = elementCount(shape.slice(at + 1));
  if (blockSize === 0) {
    if (scale.shape.length !== 1 || scale.shape[0] !== extent) throw misfit();
    return (position) => Math.floor(position / inner) % extent;
  }
  const blocks = Math.ceil(extent / blockSize);
  const expected = shape.map((size, index) => (index === at ? blocks : size));
  if (!(blockSize > 0) || `${scale.shape}` !== `${expected}`) throw misfit();
  return (position) => {
    const row = Math.floor(position / inner);
    const block = Math.floor((row % extent) / blockSize);
    return (Math.floor(row / extent) * blocks + block) * inner + (position % inner);
  };
}

/**
 * The numbers that codes stand for.
 *
 * @throws RangeError where scales, zero points and numbers do not fit
 */
export function dequantized(codes: OnnxTensor, quantization: LinearQuantization): Float32Array {
  const index = scaleIndex(quantization, codes.shape);
  const { scale, zeroPoint } = quantization;
  return Float32Array.from(codes.values as Float64Array, (code, position) => {
    const at = index(position);
    return Math.fround(code - (zeroPoint?.values[at] ?? 0)) * scale.values[at]!;
  });
}

/**
 * The codes of numbers: rounded to even, and cut to what their type holds.
 *
 * @param type what the type holds where there is no zero point to say it: uint8, as QuantizeLinear has it
 * @throws RangeError where scales, zero points and numbers do not fit
 */
export function quantized(
  numbers: OnnxTensor,
  quantization: LinearQuantization,
  type: readonly [low: number, high: number] = DEFAULT_RANGE,
): OnnxTensor {
  const index = scaleIndex(quantization, numbers.shape);
  const { scale, zeroPoint } = quantization;
  const [low, high] = zeroPoint?.range ?? type;
  const values = Float64Array.from(numbers.values as Float32Array, (number, position) => {
    const at = index(position);
    const code = roundedToEven(Math.fround(number / scale.values[at]!)) + (zeroPoint?.values[at] ?? 0);
    return Math.max(low, Math.min(high, code));
  });
  return { shape: numbers.shape, type: 'integer', values, range: [low, high] };
}

function roundedToEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
