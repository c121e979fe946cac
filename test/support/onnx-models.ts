import type { CheckpointWeight, OnnxCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { elementCount } from '../../src/checkpoint/checkpoint.js';
import type { OnnxAttribute, OnnxNode, OnnxTensor } from '../../src/checkpoint/onnx-graph.js';
import { ONNX_ATTRIBUTE_TYPES, ONNX_TYPES, onnxSchema } from '../../src/onnx-schema.js';
import { randomStream } from '../../src/random.js';

/** An attribute as a test writes it: whole numbers are integers unless wrapped in `{ float }`. */
export type AttributeSketch =
  | number
  | string
  | readonly number[]
  | { float: number }
  | { floats: readonly number[] }
  | { tensor: OnnxTensor };

/** A node: operator, operands, outputs and attributes. */
export interface NodeSketch {
  op: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes?: Readonly<Record<string, AttributeSketch>>;
  domain?: string;
}

/** A model in memory. */
export interface ModelSketch {
  opset?: number;
  /** The input's shape with the batch axis; null or text where it is free. */
  input: readonly (number | null)[];
  inputType?: number;
  /** Outputs by name: element type. */
  outputs?: Readonly<Record<string, number>>;
  outputShape?: readonly (number | null)[];
  nodes: readonly NodeSketch[];
  /** Float initialisers by name. */
  weights?: Readonly<Record<string, { shape: readonly number[]; values: ArrayLike<number> }>>;
  /** Integer or boolean initialisers. */
  constants?: Readonly<Record<string, OnnxTensor>>;
}

/** A float initialiser of normal numbers. */
export function normalWeight(
  shape: readonly number[],
  seed: number,
  scale = 1,
): { shape: readonly number[]; values: Float32Array } {
  const random = randomStream(seed, 'onnx weight');
  return { shape, values: Float32Array.from({ length: elementCount(shape) }, () => scale * random.normal()) };
}

/** An initialiser of whole numbers. */
export function integerTensor(values: readonly number[], shape = [values.length]): OnnxTensor {
  return { shape, type: 'integer', values: Float64Array.from(values) };
}

function attributeOf(sketch: AttributeSketch): OnnxAttribute {
  if (typeof sketch === 'number') {
    return { kind: 'int', value: sketch };
  }
  if (typeof sketch === 'string') {
    return { kind: 'string', value: sketch };
  }
  if ('float' in sketch) {
    return { kind: 'float', value: sketch.float };
  }
  if ('floats' in sketch) {
    return { kind: 'floats', value: sketch.floats };
  }
  return 'tensor' in sketch ? { kind: 'tensor', value: sketch.tensor } : { kind: 'ints', value: sketch };
}

function outputsOf(sketch: ModelSketch): [string, number][] {
  const last = sketch.nodes[sketch.nodes.length - 1].outputs[0];
  return Object.entries(sketch.outputs ?? { [last]: ONNX_TYPES.float32 });
}

/** The checkpoint of a sketch, as the reader would give it. */
export function onnxCheckpoint(sketch: ModelSketch): OnnxCheckpoint {
  const nodes = sketch.nodes.map(
    ({ op, inputs, outputs, attributes = {}, domain = '' }, index): OnnxNode => ({
      name: `${op}_${index}`,
      opType: op,
      domain,
      inputs,
      outputs,
      attributes: new Map(Object.entries(attributes).map(([name, value]) => [name, attributeOf(value)])),
    }),
  );
  const weights = Object.entries(sketch.weights ?? {}).map(
    ([name, { shape, values }]): CheckpointWeight => ({
      name,
      shape,
      dtype: 'float32',
      values: Float32Array.from(values),
      storage: null,
    }),
  );
  return {
    format: 'onnx',
    path: 'model.onnx',
    sha256: '',
    fileSha256: '',
    weights,
    metadata: {},
    graph: {
      nodes,
      inputs: [{ name: 'input', elementType: sketch.inputType ?? ONNX_TYPES.float32, shape: sketch.input }],
      outputs: outputsOf(sketch).map(([name, elementType]) => ({
        name,
        elementType,
        shape: sketch.outputShape ?? null,
      })),
      constants: new Map(Object.entries(sketch.constants ?? {})),
      opset: sketch.opset ?? 17,
      producer: 'test',
    },
  };
}

function tensorMessage(name: string, { shape, type, values }: OnnxTensor): Record<string, unknown> {
  const data =
    type === 'float'
      ? Float32Array.from(values)
      : type === 'integer'
        ? BigInt64Array.from(Array.from(values, (value) => BigInt(value)))
        : Uint8Array.from(values);
  const dataType = { float: ONNX_TYPES.float32, integer: ONNX_TYPES.int64, boolean: ONNX_TYPES.bool }[type];
  return {
    name,
    dataType,
    dims: [...shape],
    rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}

function attributeMessage(name: string, sketch: AttributeSketch): Record<string, unknown> {
  const found = attributeOf(sketch);
  const type = ONNX_ATTRIBUTE_TYPES[found.kind as keyof typeof ONNX_ATTRIBUTE_TYPES];
  switch (found.kind) {
    case 'int':
      return { name, type, i: found.value };
    case 'float':
      return { name, type, f: found.value };
    case 'ints':
      return { name, type, ints: [...found.value] };
    case 'floats':
      return { name, type, floats: [...found.value] };
    case 'string':
      return { name, type, s: new TextEncoder().encode(found.value) };
    case 'tensor':
      return { name, type, t: tensorMessage('', found.value) };
    default:
      throw new Error(`no attribute of kind ${found.kind}`);
  }
}

function valueMessage(
  name: string,
  elemType: number,
  shape: readonly (number | null)[] | null,
): Record<string, unknown> {
  const dim = shape?.map((extent, axis) =>
    extent === null ? { dimParam: `d${axis}` } : { dimValue: extent },
  );
  return { name, type: { tensorType: { elemType, ...(dim === undefined ? {} : { shape: { dim } }) } } };
}

/** The bytes of the model file of a sketch, for ONNX Runtime. */
export function onnxBytes(sketch: ModelSketch): Uint8Array {
  const weights = Object.entries(sketch.weights ?? {}).map(([name, { shape, values }]) =>
    tensorMessage(name, { shape, type: 'float', values: Float32Array.from(values) }),
  );
  const constants = Object.entries(sketch.constants ?? {}).map(([name, value]) => tensorMessage(name, value));
  return onnxSchema
    .lookupType('Model')
    .encode({
      irVersion: 8,
      opsetImport: [
        { domain: '', version: sketch.opset ?? 17 },
        { domain: 'ai.onnx.ml', version: 3 },
      ],
      graph: {
        name: 'test',
        node: sketch.nodes.map(({ op, inputs, outputs, attributes = {}, domain = '' }, index) => ({
          name: `${op}_${index}`,
          opType: op,
          domain,
          input: [...inputs],
          output: [...outputs],
          attribute: Object.entries(attributes).map(([name, value]) => attributeMessage(name, value)),
        })),
        initializer: [...weights, ...constants],
        input: [valueMessage('input', sketch.inputType ?? ONNX_TYPES.float32, sketch.input)],
        output: outputsOf(sketch).map(([name, elementType]) =>
          valueMessage(name, elementType, sketch.outputShape ?? null),
        ),
      },
    })
    .finish();
}
