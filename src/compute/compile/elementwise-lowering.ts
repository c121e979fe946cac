import { ONNX_TYPES } from '../../onnx-schema.js';
import { broadcastsTo, type Lowering, type OnnxBuilder } from './builder.js';
import type { GraphNode } from './graph.js';
import { input } from './kernel-inputs.js';
import type { OnnxAttribute } from './onnx-model.js';

/** Operands of an elementwise node, expanded where broadcasting alone would not give the result's shape. */
function operands(node: GraphNode, builder: OnnxBuilder, names: readonly string[]): string[] {
  const result = builder.value(node.outputs[0]).shape;
  const ids = names.map((name) => input(node, name));
  const shapes = ids.filter((id) => builder.uniform(id) === null).map((id) => builder.value(id).shape);
  return broadcastsTo(shapes, result)
    ? ids.map((id) => builder.tensor(id))
    : ids.map((id) => builder.full(id));
}

const binary =
  (opType: string): Lowering =>
  (node, builder) => [builder.add(opType, operands(node, builder, ['a', 'b']))];

const unary =
  (opType: string, attributes: Record<string, OnnxAttribute> = {}): Lowering =>
  (node, builder) => [builder.add(opType, [builder.full(input(node, 'x'))], attributes)];

/** 1 where x > 0, `alpha` elsewhere. */
const step: Lowering = (node, builder) => {
  const positive = builder.add('Greater', [builder.full(input(node, 'x')), builder.scalar(0)]);
  const alpha = (node.attributes.alpha as number | undefined) ?? 0;
  return [
    alpha === 0
      ? builder.add('Cast', [positive], { to: ONNX_TYPES.float32 })
      : builder.add('Where', [positive, builder.scalar(1), builder.scalar(alpha)]),
  ];
};

/**
 * log(1 + x) in full precision for small x too: with u = 1 + x rounded, log(u)
 * x / (u - 1) makes up for what u lost, and x itself is right where u is 1
 * (Goldberg 1991, What every computer scientist should know about
 * floating-point arithmetic, theorem 4).
 */
const log1p: Lowering = (node, builder) => {
  const x = builder.full(input(node, 'x'));
  const one = builder.scalar(1);
  const u = builder.add('Add', [x, one]);
  const excess = builder.add('Sub', [u, one]);
  const lost = builder.add('Equal', [excess, builder.scalar(0)]);
  const divisor = builder.add('Where', [lost, one, excess]);
  const corrected = builder.add('Div', [builder.add('Mul', [builder.add('Log', [u]), x]), divisor]);
  return [builder.add('Where', [lost, x, corrected])];
};

const cast: Lowering = (node, builder) => {
  const to = ONNX_TYPES[builder.value(node.outputs[0]).type];
  return [builder.add('Cast', [builder.full(input(node, 'x'))], { to })];
};

/** Lowerings of kernels that compute every number by itself. */
export const elementwiseLowerings: Readonly<Record<string, Lowering>> = {
  Add: binary('Add'),
  Sub: binary('Sub'),
  Multiply: binary('Mul'),
  RealDiv: binary('Div'),
  Maximum: binary('Max'),
  Minimum: binary('Min'),
  Pow: binary('Pow'),
  Greater: binary('Greater'),
  GreaterEqual: binary('GreaterOrEqual'),
  Less: binary('Less'),
  LessEqual: binary('LessOrEqual'),
  Equal: binary('Equal'),
  LogicalAnd: binary('And'),
  LogicalOr: binary('Or'),
  SquaredDifference: (node, builder) => {
    const difference = builder.add('Sub', operands(node, builder, ['a', 'b']));
    return [builder.add('Mul', [difference, difference])];
  },
  NotEqual: (node, builder) => [
    builder.add('Not', [builder.add('Equal', operands(node, builder, ['a', 'b']))]),
  ],
  AddN: (node, builder) => [
    builder.add(
      'Sum',
      Object.values(node.inputs).map((id) => builder.full(id)),
    ),
  ],
  LogicalNot: unary('Not'),
  Neg: unary('Neg'),
  Abs: unary('Abs'),
  Exp: unary('Exp'),
  Log: unary('Log'),
  Log1p: log1p,
  Sqrt: unary('Sqrt'),
  Reciprocal: unary('Reciprocal'),
  Floor: unary('Floor'),
  Sigmoid: unary('Sigmoid'),
  Tanh: unary('Tanh'),
  Relu: unary('Relu'),
  Elu: unary('Elu'),
  Erf: unary('Erf'),
  Sign: unary('Sign'),
  Softplus: unary('Softplus'),
  Identity: unary('Identity'),
  Selu: unary('Selu'),
  Square: (node, builder) => {
    const x = builder.full(input(node, 'x'));
    return [builder.add('Mul', [x, x])];
  },
  Rsqrt: (node, builder) => [
    builder.add('Reciprocal', [builder.add('Sqrt', [builder.full(input(node, 'x'))])]),
  ],
  Relu6: (node, builder) => [
    builder.add('Clip', [builder.full(input(node, 'x')), builder.scalar(0), builder.scalar(6)]),
  ],
  ClipByValue: (node, builder) => [
    builder.add('Clip', [
      builder.full(input(node, 'x')),
      builder.scalar(node.attributes.clipValueMin as number),
      builder.scalar(node.attributes.clipValueMax as number),
    ]),
  ],
  LeakyRelu: (node, builder) => [
    builder.add('LeakyRelu', [builder.full(input(node, 'x'))], {
      alpha: { float: node.attributes.alpha as number },
    }),
  ],
  Prelu: (node, builder) => [
    builder.add('PRelu', [builder.full(input(node, 'x')), builder.full(input(node, 'alpha'))]),
  ],
  Step: step,
  Cast: cast,
  Select: (node, builder) => [
    builder.add(
      'Where',
      ['condition', 't', 'e'].map((name) => builder.full(input(node, name))),
    ),
  ],
};
