import { elementCount } from '../../../checkpoint/checkpoint.js';
import {
  add,
  div,
  exp,
  log,
  mean,
  mul,
  reshape,
  rsqrt,
  softmax,
  square,
  sub,
  sum,
  type Tensor,
} from '../../../tfjs-core.js';
import { constantMaximum } from '../../constant-maximum.js';
import {
  inLayout,
  inOnnxOrder,
  integer,
  knownOperand,
  malformed,
  type Operator,
  type OperatorCall,
  type OperatorTable,
  operand,
  preferredLayout,
  real,
  resolveAxis,
  unsupported,
} from '../operator.js';
import { INFERENCE_MODE } from '../remedies.js';
import { axisIn, type HostValue, hostValue, type Layout, type Value, valueIn } from '../values.js';

/** One number a channel [C] in the shape in which it broadcasts against a layout of that rank. */
function perChannel(call: OperatorCall, value: Value, layout: Layout, rank: number): Tensor {
  const channels = inOnnxOrder(call, value);
  return layout === 'last' || rank === 2
    ? channels
    : reshape(channels, [channels.shape[0], ...Array(rank - 2).fill(1)]);
}

/** Normalisation with the running statistics: (x - mean) / sqrt(variance + epsilon) * scale + shift. */
const batchNormalization: Operator = (call) => {
  if (integer(call, 'training_mode', 0) !== 0) {
    throw unsupported(call, 'training_mode', INFERENCE_MODE);
  }
  // Before operator set 14 a node that gives statistics, too, is one in training mode.
  if (call.opset < 14 && call.node.outputs.slice(1).some((name) => name !== '')) {
    throw unsupported(call, 'outputs of statistics (training mode)', INFERENCE_MODE);
  }
  if (integer(call, 'spatial', 1) !== 1) {
    throw unsupported(call, 'spatial = 0');
  }
  const value = operand(call, 0);
  const epsilon = real(call, 'epsilon', 1e-5);
  const layout = preferredLayout([value]);
  const rank = value.shape.length;
  const x = inLayout(call, value, layout);
  const statistics = [1, 2, 3, 4].map((index) => operand(call, index));
  const fixed = statistics.filter((each): each is HostValue => each.kind === 'host' && each.constant);
  if (fixed.length === statistics.length) {
    const [factor, term] = call.constants
      .derived(call.node, () => affine(call, fixed, epsilon))
      .map((each) => perChannel(call, each, layout, rank));
    return [valueIn(layout, add(mul(x, factor), term))];
  }
  const [scale, shift, average, variance] = statistics.map((each) => perChannel(call, each, layout, rank));
  const factor = mul(scale, rsqrt(add(variance, epsilon)));
  return [valueIn(layout, add(mul(x, factor), sub(shift, mul(average, factor))))];
};

/** Normalisation by constants is x * factor + term, one of each a channel. */
function affine(call: OperatorCall, statistics: readonly HostValue[], epsilon: number): HostValue[] {
  const [scale, shift, average, variance] = statistics.map(({ values }) => values);
  if ([shift, average, variance].some(({ length }) => length !== scale.length)) {
    throw malformed(call, 'scale, shift, mean and variance are not of one size');
  }
  const factors = Array.from(scale, (each, channel) => each / Math.sqrt(variance[channel] + epsilon));
  const terms = factors.map((factor, channel) => shift[channel] - average[channel] * factor);
  return [factors, terms].map((numbers) => hostValue('float', [scale.length], numbers, true));
}

/** (x - mean) / sqrt(variance + epsilon) over some axes. */
function standardized(x: Tensor, axes: number[], epsilon: number): Tensor {
  const centered = sub(x, mean(x, axes, true));
  return mul(centered, rsqrt(add(mean(square(centered), axes, true), epsilon)));
}

const layerNormalization: Operator = (call) => {
  if (call.node.outputs.slice(1).some((name) => name !== '')) {
    throw unsupported(call, 'outputs of mean and deviation');
  }
  const x = inOnnxOrder(call, operand(call, 0));
  const first = resolveAxis(call, integer(call, 'axis', -1), x.rank);
  const axes = Array.from({ length: x.rank - first }, (_, index) => first + index);
  const scaled = mul(standardized(x, axes, real(call, 'epsilon', 1e-5)), inOnnxOrder(call, operand(call, 1)));
  const shift = call.inputs[2] ?? null;
  return [valueIn('first', shift === null ? scaled : add(scaled, inOnnxOrder(call, shift)))];
};

const instanceNormalization: Operator = (call) => {
  const value = operand(call, 0);
  const rank = value.shape.length;
  const layout = preferredLayout([value]);
  const axes = Array.from({ length: rank - 2 }, (_, axis) => axisIn(layout, axis + 2, rank));
  const normal = standardized(inLayout(call, value, layout), axes, real(call, 'epsilon', 1e-5));
  const [scale, shift] = [1, 2].map((index) => perChannel(call, operand(call, index), layout, rank));
  return [valueIn(layout, add(mul(normal, scale), shift))];
};

/** Normalisation over groups of channels; since operator set 21 with one scale a channel, before with one a group. */
const groupNormalization: Operator = (call) => {
  const value = operand(call, 0);
  const x = inOnnxOrder(call, value);
  const [batch, channels, ...spatial] = value.shape;
  const groups = integer(call, 'num_groups', 1);
  if (groups < 1 || channels % groups !== 0) {
    throw malformed(call, `${channels} channels cannot be split into ${groups} groups`);
  }
  const width = channels / groups;
  const pixels = elementCount(spatial);
  const grouped = reshape(x, [batch, groups, width, pixels]);
  const normal = standardized(grouped, [2, 3], real(call, 'epsilon', 1e-5));
  const [scale, shift] = [1, 2].map((index) => {
    const each = inOnnxOrder(call, operand(call, index));
    return reshape(each, call.opset < 21 ? [groups, 1, 1] : [groups, width, 1]);
  });
  return [valueIn('first', reshape(add(mul(normal, scale), shift), [...value.shape]))];
};

/**
 * Applies a function of the last axis along the axis of a softmax. Before
 * operator set 13 the tensor is taken as a matrix that begins its columns at
 * `axis`.
 */
function alongClasses(last: (x: Tensor) => Tensor, anywhere: (x: Tensor, axis: number) => Tensor): Operator {
  return (call) => {
    const value = operand(call, 0);
    const rank = value.shape.length;
    if (call.opset < 13) {
      const axis = integer(call, 'axis', 1);
      const split = axis === rank ? rank : resolveAxis(call, axis, rank);
      const matrix = reshape(inOnnxOrder(call, value), [
        elementCount(value.shape.slice(0, split)),
        elementCount(value.shape.slice(split)),
      ]);
      return [valueIn('first', reshape(last(matrix), [...value.shape]))];
    }
    const axis = resolveAxis(call, integer(call, 'axis', -1), rank);
    const layout = preferredLayout([value]);
    const x = inLayout(call, value, layout);
    const at = axisIn(layout, axis, rank);
    return [valueIn(layout, at === rank - 1 ? last(x) : anywhere(x, at))];
  };
}

function softmaxAlong(x: Tensor, axis: number): Tensor {
  const powers = exp(sub(x, constantMaximum(x, axis)));
  return div(powers, sum(powers, axis, true));
}

/** Composed: the gradient of tfjs's own has no right derivative. */
function logSoftmaxAlong(x: Tensor, axis: number): Tensor {
  const shifted = sub(x, constantMaximum(x, axis));
  return sub(shifted, log(sum(exp(shifted), axis, true)));
}

/** At inference dropout passes its input through; the mask it may return is all ones. */
const dropout: Operator = (call) => {
  if (call.opset >= 12 && knownOperand(call, 2, 'training modes')?.values[0]) {
    throw unsupported(call, 'training_mode', INFERENCE_MODE);
  }
  return [operand(call, 0)];
};

/** Normalisation layers, softmax and dropout. */
export const normalizationOperators: OperatorTable = {
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  InstanceNormalization: instanceNormalization,
  GroupNormalization: groupNormalization,
  Softmax: alongClasses((x) => softmax(x), softmaxAlong),
  LogSoftmax: alongClasses((x) => logSoftmaxAlong(x, x.rank - 1), logSoftmaxAlong),
  Dropout: dropout,
  Identity: (call) => [operand(call, 0)],
};
