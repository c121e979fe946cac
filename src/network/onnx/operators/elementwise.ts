import {
  abs,
  add,
  cast,
  clipByValue,
  cos,
  div,
  elu,
  equal,
  erf,
  exp,
  greater,
  greaterEqual,
  leakyRelu,
  less,
  lessEqual,
  log,
  logicalAnd,
  logicalNot,
  logicalOr,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  reciprocal,
  relu,
  selu,
  sigmoid,
  sin,
  softplus,
  sqrt,
  square,
  sub,
  type Tensor,
  tanh,
  where,
} from '../../../tfjs-core.js';
import {
  inLayout,
  knownOperand,
  type Operator,
  type OperatorCall,
  type OperatorTable,
  operand,
  preferredLayout,
  real,
  text,
  unsupported,
} from '../operator.js';
import { hostValue, type Value, valueIn } from '../values.js';

/** An operator that treats every number of its one operand alike. */
function unary(apply: (x: Tensor, call: OperatorCall) => Tensor): Operator {
  return (call) => {
    const value = operand(call, 0);
    const layout = preferredLayout([value]);
    return [valueIn(layout, apply(inLayout(call, value, layout), call))];
  };
}

/** Applies a function of broadcast operands, in the layout most convenient to them. */
export function broadcasting(
  call: OperatorCall,
  values: readonly Value[],
  apply: (...operands: Tensor[]) => Tensor,
): Value {
  const layout = preferredLayout(values);
  const rank = Math.max(...values.map(({ shape }) => shape.length));
  return valueIn(
    layout,
    apply(...values.map((value) => inLayout(call, value, layout, layout === 'last' ? rank : undefined))),
  );
}

function binary(apply: (a: Tensor, b: Tensor) => Tensor): Operator {
  return (call) => [broadcasting(call, [operand(call, 0), operand(call, 1)], apply)];
}

/** Any number of operands, combined from left to right. */
function variadic(apply: (a: Tensor, b: Tensor) => Tensor): Operator {
  return (call) => {
    const [head, ...rest] = call.inputs.map((_, index) => operand(call, index));
    return [rest.reduce((sum, value) => broadcasting(call, [sum, value], apply), head)];
  };
}

const mean: Operator = (call) => {
  const [sum] = variadic(add)(call);
  return [broadcasting(call, [sum], (x) => div(x, call.inputs.length))];
};

/** x for x > 0, else what `negative` gives for the rest, which is 0 where x is positive. */
function piecewise(x: Tensor, negative: (rest: Tensor) => Tensor): Tensor {
  return add(relu(x), negative(neg(relu(neg(x)))));
}

/** Powers, the common ones by products and roots, whose derivatives hold at 0 and below. */
const power: Operator = (call) => {
  const exponent = operand(call, 1);
  const number = exponent.kind === 'host' && exponent.values.length === 1 ? exponent.values[0] : null;
  const simple = new Map<number, (x: Tensor) => Tensor>([
    [1, (x) => x.clone()],
    [2, square],
    [3, (x) => mul(square(x), x)],
    [4, (x) => square(square(x))],
    [0.5, sqrt],
    [-1, reciprocal],
    [-0.5, (x) => reciprocal(sqrt(x))],
  ]).get(number ?? Number.NaN);
  const base = operand(call, 0);
  const rank = Math.max(base.shape.length, exponent.shape.length);
  return simple !== undefined && rank === base.shape.length
    ? [broadcasting(call, [base], simple)]
    : binary(pow)(call);
};

/** GELU, exactly or with the tanh that approximates it (Hendrycks and Gimpel, 2016). */
const gelu = unary((x, call) => {
  const approximate = text(call, 'approximate', 'none');
  if (approximate === 'none') {
    return mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1));
  }
  if (approximate === 'tanh') {
    const inner = mul(add(x, mul(mul(square(x), x), 0.044715)), Math.sqrt(2 / Math.PI));
    return mul(mul(x, 0.5), add(tanh(inner), 1));
  }
  throw unsupported(call, `approximate ${JSON.stringify(approximate).slice(0, 40)}`);
});

/** Bounds as attributes before operator set 11, as operands since. */
const clip: Operator = (call) => {
  // An open side, which files may write as an infinity: tfjs has no other way to say it.
  const limit = 3.4028234663852886e38;
  const bound = (index: number, name: string, fallback: number): number => {
    if (call.opset < 11) {
      return real(call, name, fallback);
    }
    const value = knownOperand(call, index, 'bounds');
    return value === null ? fallback : Math.max(-limit, Math.min(limit, Number(value.values[0])));
  };
  const [low, high] = [bound(1, 'min', -limit), bound(2, 'max', limit)];
  return unary((x) => (low > high ? add(mul(x, 0), high) : clipByValue(x, low, high)))(call);
};

const hardSigmoid = (x: Tensor, alpha: number, beta: number): Tensor =>
  clipByValue(add(mul(x, alpha), beta), 0, 1);

/** The slope's operand broadcasts to the input's shape, never the other way. */
const parametricRelu = binary((x, slope) => piecewise(x, (rest) => mul(rest, slope)));

const choose: Operator = (call) => [
  broadcasting(call, [operand(call, 0), operand(call, 1), operand(call, 2)], (condition, a, b) =>
    where(condition, a, b),
  ),
];

/** TensorProto.DataType numbers that are kept as float32. */
const FLOATS = new Set([1, 10, 11, 16]);

const castTo: Operator = (call) => {
  const to = call.node.attributes.get('to');
  if (to?.kind !== 'int' || !FLOATS.has(to.value)) {
    throw unsupported(call, 'a type other than floating point for what depends on the input');
  }
  const value = operand(call, 0);
  if (value.kind === 'tensor' && (value.first ?? value.last)?.dtype === 'float32') {
    return [value];
  }
  return unary((x) => cast(x, 'float32'))(call);
};

/** To the type of the second operand: a tensor of this network is of floating-point numbers, or of truth values. */
const castLike: Operator = (call) => {
  const [value, like] = [operand(call, 0), operand(call, 1)];
  const type = like.kind === 'host' ? like.type : (like.first ?? like.last)?.dtype;
  if (type !== 'float' && type !== 'float32') {
    throw unsupported(call, 'a type other than floating point for what depends on the input');
  }
  if (value.kind === 'host') {
    return [hostValue('float', value.shape, Array.from(value.values, Number), value.constant)];
  }
  return (value.first ?? value.last)?.dtype === 'float32' ? [value] : unary((x) => cast(x, 'float32'))(call);
};

const logical = (apply: (a: Tensor, b: Tensor) => Tensor): Operator => binary(apply);

/** Operators on single numbers. */
export const elementwiseOperators: OperatorTable = {
  Add: binary(add),
  Sub: binary(sub),
  Mul: binary(mul),
  Div: binary(div),
  Pow: power,
  Sum: variadic(add),
  Max: variadic(maximum),
  Min: variadic(minimum),
  Mean: mean,
  Sqrt: unary(sqrt),
  Exp: unary(exp),
  Log: unary(log),
  Erf: unary(erf),
  Neg: unary(neg),
  Abs: unary(abs),
  Reciprocal: unary(reciprocal),
  Sin: unary(sin),
  Cos: unary(cos),
  Relu: unary(relu),
  LeakyRelu: unary((x, call) => leakyRelu(x, real(call, 'alpha', 0.01))),
  PRelu: parametricRelu,
  Elu: unary((x, call) => {
    const alpha = real(call, 'alpha', 1);
    return alpha === 1 ? elu(x) : piecewise(x, (rest) => mul(elu(rest), alpha));
  }),
  Celu: unary((x, call) => {
    const alpha = real(call, 'alpha', 1);
    return piecewise(x, (rest) => mul(elu(div(rest, alpha)), alpha));
  }),
  Selu: unary((x, call) => {
    const alpha = call.node.attributes.has('alpha') ? real(call, 'alpha', 0) : null;
    const gamma = call.node.attributes.has('gamma') ? real(call, 'gamma', 0) : null;
    return alpha === null && gamma === null
      ? selu(x)
      : mul(
          piecewise(x, (rest) => mul(elu(rest), alpha ?? 1.6732632423543772)),
          gamma ?? 1.0507009873554805,
        );
  }),
  Gelu: gelu,
  Sigmoid: unary(sigmoid),
  HardSigmoid: unary((x, call) => hardSigmoid(x, real(call, 'alpha', 0.2), real(call, 'beta', 0.5))),
  HardSwish: unary((x) => mul(x, hardSigmoid(x, 1 / 6, 0.5))),
  Tanh: unary(tanh),
  Softplus: unary(softplus),
  Softsign: unary((x) => div(x, add(abs(x), 1))),
  Mish: unary((x) => mul(x, tanh(softplus(x)))),
  Clip: clip,
  Where: choose,
  Cast: castTo,
  CastLike: castLike,
  Equal: logical(equal),
  Greater: logical(greater),
  GreaterOrEqual: logical(greaterEqual),
  Less: logical(less),
  LessOrEqual: logical(lessEqual),
  And: logical(logicalAnd),
  Or: logical(logicalOr),
  Not: unary(logicalNot),
};
