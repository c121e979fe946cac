import { elementCount } from '../compile/graph.js';
import { input } from '../compile/kernel-inputs.js';
import { NotCompilableError } from '../compile/trace.js';
import { filled, type Lifetimes, longer, longerOf, NEVER, productOf, sumOf } from './lifetimes.js';
import type { Rule, RuleCall } from './rule.js';
import { broadcast } from './sources.js';

/** An operand, broadcast to the shape of the result. */
function operand(call: RuleCall, name: string): Lifetimes {
  const id = input(call.node, name);
  return broadcast(call.lifetimes(id), call.shape(id), call.shape(call.node.outputs[0]));
}

/** The same paths, of numbers that are not zero where the argument is. */
function awayFromZero({ depends, nonZero }: Lifetimes, always: number): Lifetimes {
  return { depends, nonZero: filled(nonZero.length, always) };
}

const keepsZero: Rule = ({ node, lifetimes }) => [lifetimes(input(node, 'x'))];

const leavesZero: Rule = ({ node, lifetimes, always }) => [awayFromZero(lifetimes(input(node, 'x')), always)];

const sum: Rule = (call) => [sumOf(operand(call, 'a'), operand(call, 'b'))];

const product: Rule = (call) => [productOf(operand(call, 'a'), operand(call, 'b'))];

/** A product with the reciprocal of the denominator; a denominator of zero has no say. */
const quotient: Rule = (call) => [
  productOf(operand(call, 'a'), awayFromZero(operand(call, 'b'), call.always)),
];

const comparison: Rule = (call) => [awayFromZero(sumOf(operand(call, 'a'), operand(call, 'b')), call.always)];

/** A base has no say where the exponent is zero. Powers of zero are zero where the exponent is a positive constant. */
const power: Rule = (call) => {
  const [base, exponent] = [operand(call, 'a'), operand(call, 'b')];
  const known = call.constant(input(call.node, 'b'));
  if (known?.kind === 'uniform' && known.value > 0) {
    return [base];
  }
  const { depends } = productOf(base, exponent);
  return [
    {
      depends: longerOf(depends, exponent.depends),
      nonZero: filled(base.nonZero.length, call.always),
    },
  ];
};

/** A step that is `alpha` at zero. */
const step: Rule = (call) => ((call.node.attributes.alpha ?? 0) === 0 ? keepsZero : leavesZero)(call);

const clip: Rule = (call) => {
  const { clipValueMin, clipValueMax } = call.node.attributes as Record<string, number>;
  return (clipValueMin <= 0 && clipValueMax >= 0 ? keepsZero : leavesZero)(call);
};

/** x, or alpha times x: the slope has a say where x is not zero. */
const slope: Rule = (call) => {
  const x = operand(call, 'x');
  const { depends } = productOf(x, operand(call, 'alpha'));
  return [{ depends: longerOf(x.depends, depends), nonZero: x.nonZero }];
};

const sumOfAll: Rule = ({ node, lifetimes }) => [Object.values(node.inputs).map(lifetimes).reduce(sumOf)];

/** One of two tensors by a condition; where that is constant, it is known which. */
const select: Rule = ({ node, lifetimes, shape, constant }) => {
  const [condition, whenTrue, whenFalse] = ['condition', 't', 'e'].map((name) => input(node, name));
  if (elementCount(shape(condition)) !== elementCount(shape(node.outputs[0]))) {
    throw new NotCompilableError(`${node.kernel} with a condition of another shape`);
  }
  const known = constant(condition);
  const [yes, no] = [lifetimes(whenTrue), lifetimes(whenFalse)];
  if (known === undefined) {
    const { depends } = lifetimes(condition);
    const either = sumOf(yes, no);
    return [
      {
        depends: longerOf(either.depends, depends),
        nonZero: depends === null ? either.nonZero : longer(either.nonZero, depends),
      },
    ];
  }
  const isTrue = (index: number): boolean =>
    (known.kind === 'uniform' ? known.value : known.data[index]) !== 0;
  const chosen = (left: Int32Array, right: Int32Array): Int32Array =>
    left.map((count, index) => (isTrue(index) ? count : right[index]));
  const never = filled(yes.nonZero.length, NEVER);
  return [
    {
      depends:
        yes.depends === null && no.depends === null
          ? null
          : chosen(yes.depends ?? never, no.depends ?? never),
      nonZero: chosen(yes.nonZero, no.nonZero),
    },
  ];
};

/** (x - mean) / sqrt(variance + epsilon) * scale + offset. */
const batchNorm: Rule = (call) => {
  const { scale, offset } = call.node.inputs;
  const centred = sumOf(operand(call, 'x'), operand(call, 'mean'));
  const normal = productOf(centred, awayFromZero(operand(call, 'variance'), call.always));
  const scaled = scale === undefined ? normal : productOf(normal, operand(call, 'scale'));
  return [offset === undefined ? scaled : sumOf(scaled, operand(call, 'offset'))];
};

function forEach(names: readonly string[], rule: Rule): Record<string, Rule> {
  return Object.fromEntries(names.map((name) => [name, rule]));
}

/** Rules of kernels that compute every number by itself. */
export const elementwiseRules: Readonly<Record<string, Rule>> = {
  ...forEach(
    ['Identity', 'Cast', 'Neg', 'Abs', 'Sign', 'Floor', 'Ceil', 'Round', 'Sqrt', 'Square'],
    keepsZero,
  ),
  ...forEach(['Relu', 'Relu6', 'LeakyRelu', 'Elu', 'Selu', 'Tanh', 'Erf', 'Sin', 'Sinh', 'Tan'], keepsZero),
  ...forEach(['Asin', 'Asinh', 'Atan', 'Atanh', 'Expm1', 'Log1p'], keepsZero),
  ...forEach(['Exp', 'Log', 'Rsqrt', 'Reciprocal', 'Sigmoid', 'Softplus', 'LogicalNot'], leavesZero),
  ...forEach(['Cos', 'Cosh', 'Acos', 'Acosh', 'IsNan', 'IsInf', 'IsFinite'], leavesZero),
  ...forEach(['Add', 'Sub', 'Maximum', 'Minimum', 'SquaredDifference', 'LogicalOr'], sum),
  ...forEach(['Multiply', 'LogicalAnd'], product),
  ...forEach(['RealDiv', 'FloorDiv'], quotient),
  ...forEach(['Greater', 'GreaterEqual', 'Less', 'LessEqual', 'Equal', 'NotEqual'], comparison),
  Pow: power,
  Step: step,
  ClipByValue: clip,
  Prelu: slope,
  AddN: sumOfAll,
  Select: select,
  FusedBatchNorm: batchNorm,
};
