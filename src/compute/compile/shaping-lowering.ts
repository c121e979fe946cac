import type { Lowering } from './builder.js';
import { axes, input } from './kernel-inputs.js';
import { NotCompilableError } from './trace.js';

const reshapeToResult: Lowering = (node, builder) => [
  builder.reshape(builder.full(Object.values(node.inputs)[0]), builder.value(node.outputs[0]).shape),
];

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

/** Lowerings of kernels that arrange numbers anew. */
export const shapingLowerings: Readonly<Record<string, Lowering>> = {
  Reshape: reshapeToResult,
  ExpandDims: reshapeToResult,
  Transpose: (node, builder) => [
    builder.transpose(builder.full(input(node, 'x')), node.attributes.perm as number[]),
  ],
  Tile: (node, builder) => [
    builder.add('Tile', [builder.full(input(node, 'x')), builder.integers(node.attributes.reps as number[])]),
  ],
  Slice: slice,
  PadV2: pad,
  Concat: concat,
  SplitV: split,
  Unpack: unpack,
  Pack: pack,
  Reverse: reverse,
  GatherV2: gather,
};
