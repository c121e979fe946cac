import { ONNX_TYPES } from '../../onnx-schema.js';
import { broadcastsTo, type Lowering, type OnnxBuilder } from './builder.js';
import { blockedConvolutionLowerings } from './channel-blocks.js';
import { convolutionLowerings } from './convolution-lowering.js';
import type { GraphNode, ValueId } from './graph.js';
import type { OnnxAttribute } from './onnx-model.js';
import { poolingLowerings } from './pooling-lowering.js';
import { resizeLowerings } from './resize-lowering.js';
import { NotCompilableError } from './trace.js';

function input(node: GraphNode, name: string): ValueId {
  const id = node.inputs[name];
  if (id === undefined) {
    throw new NotCompilableError(`${node.kernel} has no input ${name}`);
  }
  return id;
}

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

/** Axes of a reduction; tfjs writes one, several or none (all). */
function axes(node: GraphNode, rank: number, attribute = 'axis'): number[] {
  const given = node.attributes[attribute];
  const list = given === undefined || given === null ? [...Array(rank).keys()] : [given].flat();
  return (list as number[]).map((axis) => (axis < 0 ? axis + rank : axis));
}

/** Reductions go by the shape of the result, whatever `keepDims` says. */
const reduction =
  (opType: 'ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'ReduceMin', attribute: string): Lowering =>
  (node, builder) => {
    const id = input(node, 'x');
    const { shape } = builder.value(id);
    const over = axes(node, shape.length, attribute);
    const x = builder.full(id);
    const reduced =
      opType === 'ReduceSum'
        ? builder.add(opType, [x, builder.integers(over)], { keepdims: 0 })
        : builder.add(opType, [x], { axes: over, keepdims: 0 });
    const result = builder.value(node.outputs[0]).shape;
    return [result.length === shape.length - over.length ? reduced : builder.reshape(reduced, result)];
  };

const reshapeToResult: Lowering = (node, builder) => [
  builder.reshape(builder.full(Object.values(node.inputs)[0]), builder.value(node.outputs[0]).shape),
];

/** 1 where x > 0, `alpha` elsewhere. */
const step: Lowering = (node, builder) => {
  const positive = builder.add('Greater', [builder.full(input(node, 'x')), builder.scalar(0)]);
  const alpha = (node.attributes.alpha as number | undefined) ?? 0;
  return [
    alpha === 0
      ? builder.add('Cast', [positive], { to: 1 })
      : builder.add('Where', [positive, builder.scalar(1), builder.scalar(alpha)]),
  ];
};

function matMul(node: GraphNode, builder: OnnxBuilder): string {
  const [a, b] = [input(node, 'a'), input(node, 'b')];
  const transposeA = node.attributes.transposeA === true;
  const transposeB = node.attributes.transposeB === true;
  const [rankA, rankB] = [a, b].map((id) => builder.value(id).shape.length);
  if (rankA === 2 && rankB === 2 && (transposeA || transposeB)) {
    return builder.add('Gemm', [builder.full(a), builder.full(b)], {
      transA: transposeA ? 1 : 0,
      transB: transposeB ? 1 : 0,
    });
  }
  const swapped = (name: string, rank: number): string =>
    builder.transpose(
      name,
      [...Array(rank).keys()].map((axis) =>
        axis === rank - 1 ? rank - 2 : axis === rank - 2 ? rank - 1 : axis,
      ),
    );
  const left = transposeA ? swapped(builder.full(a), rankA) : builder.full(a);
  const right = transposeB ? swapped(builder.full(b), rankB) : builder.full(b);
  return builder.add('MatMul', [left, right]);
}

const batchNorm: Lowering = (node, builder) => {
  const [x, mean, variance] = ['x', 'mean', 'variance'].map((name) => builder.full(input(node, name)));
  const { scale: scaleId, offset: offsetId } = node.inputs;
  const scale = scaleId === undefined ? builder.scalar(1) : builder.full(scaleId);
  const offset = offsetId === undefined ? builder.scalar(0) : builder.full(offsetId);
  const epsilon = builder.scalar(node.attributes.varianceEpsilon as number);
  const deviation = builder.add('Sqrt', [builder.add('Add', [variance, epsilon])]);
  const factor = builder.add('Div', [scale, deviation]);
  const shift = builder.add('Sub', [offset, builder.add('Mul', [mean, factor])]);
  return [builder.add('Add', [builder.add('Mul', [x, factor]), shift])];
};

const slice: Lowering = (node, builder) => {
  const id = input(node, 'x');
  const { shape } = builder.value(id);
  const result = builder.value(node.outputs[0]).shape;
  const begin = node.attributes.begin as number[];
  const everyAxis = [...shape.keys()];
  return [
    builder.add('Slice', [
      builder.full(id),
      builder.integers(everyAxis.map((axis) => begin[axis] ?? 0)),
      builder.integers(everyAxis.map((axis) => (begin[axis] ?? 0) + result[axis])),
      builder.integers(everyAxis),
    ]),
  ];
};

const pad: Lowering = (node, builder) => {
  const paddings = node.attributes.paddings as [number, number][];
  return [
    builder.add('Pad', [
      builder.full(input(node, 'x')),
      builder.integers([...paddings.map(([before]) => before), ...paddings.map(([, after]) => after)]),
      builder.scalar((node.attributes.constantValue as number | undefined) ?? 0),
    ]),
  ];
};

const concat: Lowering = (node, builder) => {
  const tensors = Object.values(node.inputs);
  const rank = builder.value(tensors[0]).shape.length;
  const axis = (node.attributes.axis as number | undefined) ?? 0;
  return [
    builder.add(
      'Concat',
      tensors.map((id) => builder.full(id)),
      { axis: axis < 0 ? axis + rank : axis },
    ),
  ];
};

const split: Lowering = (node, builder) => {
  const id = input(node, 'x');
  const rank = builder.value(id).shape.length;
  const given = node.attributes.axis as number;
  const axis = given < 0 ? given + rank : given;
  const sizes = node.outputs.map((output) => builder.value(output).shape[axis]);
  return builder.addWithOutputs('Split', [builder.full(id), builder.integers(sizes)], node.outputs.length, {
    axis,
  });
};

/** One tensor for each position along an axis, without that axis. */
const unpack: Lowering = (node, builder) => {
  const { shape } = builder.value(input(node, 'value'));
  const given = node.attributes.axis as number;
  const axis = given < 0 ? given + shape.length : given;
  const x = builder.full(input(node, 'value'));
  return node.outputs.map((output, position) =>
    builder.reshape(
      builder.add('Slice', [
        x,
        builder.integers([position]),
        builder.integers([position + 1]),
        builder.integers([axis]),
      ]),
      builder.value(output).shape,
    ),
  );
};

const pack: Lowering = (node, builder) => {
  const { shape } = builder.value(node.outputs[0]);
  const given = (node.attributes.axis as number | undefined) ?? 0;
  const axis = given < 0 ? given + shape.length : given;
  const slice = shape.map((extent, index) => (index === axis ? 1 : extent));
  const slices = Object.values(node.inputs).map((id) => builder.reshape(builder.full(id), slice));
  return [builder.add('Concat', slices, { axis })];
};

const reverse: Lowering = (node, builder) => {
  const { shape } = builder.value(input(node, 'x'));
  const over = axes(node, shape.length, 'dims');
  const each = (value: number): string => builder.integers(over.map(() => value));
  return [
    builder.add('Slice', [
      builder.full(input(node, 'x')),
      each(-1),
      each(Number.MIN_SAFE_INTEGER),
      builder.integers(over),
      each(-1),
    ]),
  ];
};

/** Whether any element along the axes is true. */
const any: Lowering = (node, builder) => {
  const id = input(node, 'x');
  const numbers = builder.add('Cast', [builder.full(id)], { to: ONNX_TYPES.float32 });
  const largest = builder.add('ReduceMax', [numbers], {
    axes: axes(node, builder.value(id).shape.length),
    keepdims: 0,
  });
  const found = builder.add('Cast', [largest], { to: ONNX_TYPES.bool });
  return [builder.reshape(found, builder.value(node.outputs[0]).shape)];
};

const gather: Lowering = (node, builder) => {
  if (((node.attributes.batchDims as number | undefined) ?? 0) !== 0) {
    throw new NotCompilableError('GatherV2 with batch dimensions');
  }
  return [
    builder.add('Gather', [builder.full(input(node, 'x')), builder.full(input(node, 'indices'))], {
      axis: (node.attributes.axis as number | undefined) ?? 0,
    }),
  ];
};

const cast: Lowering = (node, builder) => {
  const to = ONNX_TYPES[builder.value(node.outputs[0]).type];
  return [builder.add('Cast', [builder.full(input(node, 'x'))], { to })];
};

/** How every kernel of a traced program is said in ONNX. */
const lowerings: Readonly<Record<string, Lowering>> = {
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
  Softmax: (node, builder) => [builder.add('Softmax', [builder.full(input(node, 'logits'))], { axis: -1 })],
  LogSoftmax: (node, builder) => [
    builder.add('LogSoftmax', [builder.full(input(node, 'logits'))], { axis: -1 }),
  ],
  Step: step,
  Cast: cast,
  Select: (node, builder) => [
    builder.add(
      'Where',
      ['condition', 't', 'e'].map((name) => builder.full(input(node, name))),
    ),
  ],
  Reshape: reshapeToResult,
  ExpandDims: reshapeToResult,
  Transpose: (node, builder) => [
    builder.transpose(builder.full(input(node, 'x')), node.attributes.perm as number[]),
  ],
  Tile: (node, builder) => [
    builder.add('Tile', [builder.full(input(node, 'x')), builder.integers(node.attributes.reps as number[])]),
  ],
  Sum: reduction('ReduceSum', 'axis'),
  Mean: reduction('ReduceMean', 'axis'),
  Max: reduction('ReduceMax', 'reductionIndices'),
  Min: reduction('ReduceMin', 'axis'),
  BatchMatMul: (node, builder) => [matMul(node, builder)],
  FusedBatchNorm: batchNorm,
  Slice: slice,
  PadV2: pad,
  Concat: concat,
  SplitV: split,
  Any: any,
  Unpack: unpack,
  Pack: pack,
  Reverse: reverse,
  GatherV2: gather,
  ...blockedConvolutionLowerings,
  ...convolutionLowerings,
  ...poolingLowerings,
  ...resizeLowerings,
};

/**
 * Emits the ONNX nodes of one traced kernel.
 *
 * @throws NotCompilableError naming the kernel where there is no lowering
 */
export function lower(node: GraphNode, builder: OnnxBuilder): void {
  const lowering = lowerings[node.kernel];
  if (lowering === undefined) {
    throw new NotCompilableError(`kernel ${node.kernel} has no ONNX lowering`);
  }
  lowering(node, builder).forEach((name, index) => {
    builder.define(node.outputs[index], name);
  });
}
