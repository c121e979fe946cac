import { dequantized, linearQuantization, quantized } from '../../../checkpoint/onnx/linear-quantization.js';
import { malformed, type OperatorCall } from '../operator.js';
import { type HostValue, hostValue } from '../values.js';

/** Numbers from constant codes, a scale and a zero point. */
export function dequantizedValue(call: OperatorCall, inputs: readonly HostValue[]): HostValue[] {
  const [codes, scale, zeroPoint = null] = inputs;
  if (codes?.type !== 'integer' || scale?.type !== 'float') {
    throw malformed(call, 'codes must be integers, and their scale a floating-point number');
  }
  const values = dequantized(codes, linearQuantization(call.node, scale, zeroPoint));
  return [hostValue('float', codes.shape, values)];
}

/** Codes of constant numbers. */
export function quantizedValue(call: OperatorCall, inputs: readonly HostValue[]): HostValue[] {
  const [numbers, scale, zeroPoint = null] = inputs;
  if (numbers?.type !== 'float' || scale?.type !== 'float') {
    throw malformed(call, 'numbers and their scale must be floating-point numbers');
  }
  const { shape, values, range } = quantized(numbers, linearQuantization(call.node, scale, zeroPoint));
  return [{ ...hostValue('integer', shape, values), range }];
}
