/** Small valid files of every format, the same in every run. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { ONNX_TYPES, onnxSchema } from '../../dist/onnx-schema.js';
import { randomStream } from '../../dist/random.js';

const encoder = new TextEncoder();

/** Random numbers around 0. */
function normals(count, name, scale = 0.5) {
  const random = randomStream(7, name);
  return Float32Array.from({ length: count }, () => scale * random.normal());
}

const bytesOf = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const sizeOf = (shape) => shape.reduce((product, size) => product * size, 1);

/** A .npy file, version 1. */
export function npy(descr, shape, array) {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const header = `${dict.padEnd(117)}\n`;
  const head = new Uint8Array(10);
  head.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  new DataView(head.buffer).setUint16(8, header.length, true);
  return Uint8Array.from(Buffer.concat([head, encoder.encode(header), bytesOf(array)]));
}

/** A zip archive; every other member is stored, the others are deflated. */
export function zip(members) {
  const entries = Object.entries(members).map(([name, bytes], i) => [
    name,
    [bytes, { level: i % 2 === 0 ? 6 : 0 }],
  ]);
  return zipSync(Object.fromEntries(entries), { mtime: '2024-01-01T00:00:00' });
}

function dense(name, units, activation, extra = {}) {
  return {
    class_name: 'Dense',
    config: {
      name,
      trainable: true,
      dtype: 'float32',
      units,
      activation,
      use_bias: true,
      kernel_initializer: { class_name: 'GlorotUniform', config: { seed: null } },
      bias_initializer: { class_name: 'Zeros', config: {} },
      ...extra,
    },
  };
}

/** The weights of the sequential model, by name. */
const SEQUENTIAL_SHAPES = {
  'conv/kernel': [2, 2, 1, 3],
  'conv/bias': [3],
  'bn/gamma': [3],
  'bn/beta': [3],
  'out/kernel': [27, 2],
  'out/bias': [2],
  'bn/moving_mean': [3],
  'bn/moving_variance': [3],
};

function layersModel(topology, shapes, storages = {}) {
  const names = Object.keys(shapes);
  const data = names.map((name) => {
    const values = normals(sizeOf(shapes[name]), name).map((value) =>
      /variance|gamma/.test(name) ? 1 + value ** 2 : value,
    );
    const storage = storages[name];
    if (storage === 'uint8') return Uint8Array.from(values, (value) => Math.round((value + 3) / 0.025));
    return storage === 'float16' ? new Uint16Array(values.length).fill(0x3800) : values;
  });
  const half = Math.ceil(names.length / 2);
  const group = (from, to, path) => ({
    paths: [path],
    weights: names.slice(from, to).map((name) => ({
      name,
      shape: shapes[name],
      dtype: 'float32',
      ...(storages[name] === 'uint8' && {
        quantization: { dtype: 'uint8', scale: 0.025, min: -3, original_dtype: 'float32' },
      }),
      ...(storages[name] === 'float16' && { quantization: { dtype: 'float16', original_dtype: 'float32' } }),
    })),
  });
  const json = {
    format: 'layers-model',
    generatedBy: 'keras v2.15.0',
    convertedBy: 'fuzz',
    modelTopology: topology,
    weightsManifest: [group(0, half, 'a.bin'), group(half, names.length, 'b.bin')],
    userDefinedMetadata: { pruneLimit: { data: 'data' } },
  };
  return {
    'model.json': encoder.encode(JSON.stringify(json)),
    'a.bin': Uint8Array.from(Buffer.concat(data.slice(0, half).map(bytesOf))),
    'b.bin': Uint8Array.from(Buffer.concat(data.slice(half).map(bytesOf))),
  };
}

/** A small convolutional network, as Keras 2 is converted. */
export function sequentialModel() {
  const topology = {
    keras_version: '2.15.0',
    backend: 'tensorflow',
    model_config: {
      class_name: 'Sequential',
      config: {
        name: 'net',
        layers: [
          {
            class_name: 'InputLayer',
            config: { batch_input_shape: [null, 4, 4, 1], dtype: 'float32', sparse: false, name: 'in' },
          },
          {
            class_name: 'Conv2D',
            config: {
              name: 'conv',
              filters: 3,
              kernel_size: [2, 2],
              strides: [1, 1],
              padding: 'valid',
              data_format: 'channels_last',
              dilation_rate: [1, 1],
              activation: 'relu',
              use_bias: true,
            },
          },
          {
            class_name: 'BatchNormalization',
            config: { name: 'bn', axis: [3], momentum: 0.99, epsilon: 0.001, center: true, scale: true },
          },
          { class_name: 'Flatten', config: { name: 'flat', data_format: 'channels_last' } },
          dense('out', 2, 'softmax'),
        ],
      },
    },
    training_config: {
      loss: 'categorical_crossentropy',
      metrics: ['accuracy'],
      optimizer_config: { class_name: 'Adam', config: {} },
    },
  };
  return layersModel(topology, SEQUENTIAL_SHAPES, { 'out/kernel': 'uint8', 'conv/kernel': 'float16' });
}

/** A functional network with an embedding, a recurrent layer and a merge, as Keras 3 is converted. */
export function functionalModel() {
  const tensor = (name) => ({
    class_name: '__keras_tensor__',
    config: { shape: [null, 3], dtype: 'float32', keras_history: [name, 0, 0] },
  });
  const node = (...names) => [
    { args: [names.length === 1 ? tensor(names[0]) : names.map(tensor)], kwargs: {} },
  ];
  const policy = {
    module: 'keras',
    class_name: 'DTypePolicy',
    config: { name: 'float32' },
    registered_name: null,
  };
  const layer = (entry, ...names) => ({
    module: 'keras.layers',
    registered_name: null,
    ...entry,
    name: entry.config.name,
    config: { ...entry.config, dtype: policy },
    inbound_nodes: names.length ? node(...names) : [],
  });
  const gru = {
    class_name: 'GRU',
    config: {
      name: 'gru',
      units: 3,
      activation: 'tanh',
      recurrent_activation: 'sigmoid',
      use_bias: true,
      reset_after: true,
      return_sequences: false,
    },
  };
  const topology = {
    keras_version: '3.5.0',
    backend: 'tensorflow',
    model_config: {
      module: 'keras.src.models.functional',
      class_name: 'Functional',
      registered_name: 'Functional',
      config: {
        name: 'net',
        layers: [
          layer({ class_name: 'InputLayer', config: { batch_shape: [null, 3], name: 'in', sparse: false } }),
          layer(
            { class_name: 'Embedding', config: { name: 'e', input_dim: 5, output_dim: 4, mask_zero: false } },
            'in',
          ),
          layer(gru, 'e'),
          layer(dense('d', 3, 'silu'), 'in'),
          layer({ class_name: 'Add', config: { name: 'add' } }, 'gru', 'd'),
          layer(dense('out', 1, 'sigmoid'), 'add'),
        ],
        input_layers: ['in', 0, 0],
        output_layers: ['out', 0, 0],
      },
    },
  };
  return layersModel(topology, {
    'e/embeddings': [5, 4],
    'gru/gru_cell/kernel': [4, 9],
    'gru/gru_cell/recurrent_kernel': [3, 9],
    'gru/gru_cell/bias': [2, 9],
    'd/kernel': [3, 3],
    'd/bias': [3],
    'out/kernel': [3, 1],
    'out/bias': [1],
  });
}

/** A sequential model of many kinds of layers, each a line. */
export function variedModel() {
  const layer = (className, config = {}) => ({
    class_name: className,
    config: { name: className.toLowerCase(), ...config },
  });
  const inner = layer('LSTM', {
    name: 'lstm',
    units: 2,
    activation: 'tanh',
    recurrent_activation: 'sigmoid',
    return_sequences: true,
  });
  const topology = {
    class_name: 'Sequential',
    config: {
      name: 'varied',
      layers: [
        layer('ZeroPadding2D', { padding: [1, 1], batch_input_shape: [null, 4, 4, 1] }),
        layer('SeparableConv2D', {
          filters: 2,
          kernel_size: 2,
          strides: 1,
          padding: 'same',
          use_bias: false,
        }),
        layer('PReLU', { shared_axes: [1, 2] }),
        layer('DepthwiseConv2D', { kernel_size: 2, depth_multiplier: 1, use_bias: false }),
        layer('MaxPooling2D', { pool_size: [2, 2], strides: [1, 1], padding: 'valid' }),
        layer('UpSampling2D', { size: [2, 2], interpolation: 'nearest' }),
        layer('Conv2DTranspose', { filters: 2, kernel_size: 2, strides: 2, use_bias: false }),
        layer('Cropping2D', {
          cropping: [
            [6, 6],
            [6, 6],
          ],
        }),
        layer('LayerNormalization', { axis: -1, epsilon: 0.001 }),
        layer('Reshape', { target_shape: [4, 8] }),
        layer('Permute', { dims: [2, 1] }),
        layer('Conv1D', {
          filters: 2,
          kernel_size: 2,
          strides: 2,
          padding: 'valid',
          use_bias: false,
          activation: 'elu',
        }),
        layer('Bidirectional', { merge_mode: 'sum', layer: inner }),
        layer('TimeDistributed', { layer: layer('Dense', { units: 2, use_bias: false }) }),
        layer('Dropout', { rate: 0.5 }),
        layer('GlobalAveragePooling1D'),
        dense('out', 2, 'softmax', { use_bias: false }),
      ],
    },
  };
  return layersModel(topology, {
    'separableconv2d/depthwise_kernel': [2, 2, 1, 1],
    'separableconv2d/pointwise_kernel': [1, 1, 1, 2],
    'prelu/alpha': [1, 1, 2],
    'depthwiseconv2d/depthwise_kernel': [2, 2, 2, 1],
    'conv2dtranspose/kernel': [2, 2, 2, 2],
    'layernormalization/gamma': [2],
    'layernormalization/beta': [2],
    'conv1d/kernel': [2, 4, 2],
    'bidirectional/forward_lstm/kernel': [2, 8],
    'bidirectional/forward_lstm/recurrent_kernel': [2, 8],
    'bidirectional/forward_lstm/bias': [8],
    'bidirectional/backward_lstm/kernel': [2, 8],
    'bidirectional/backward_lstm/recurrent_kernel': [2, 8],
    'bidirectional/backward_lstm/bias': [8],
    'timedistributed/kernel': [2, 2],
    'out/kernel': [2, 2],
  });
}

function tensorMessage(name, shape, values = normals(sizeOf(shape), name)) {
  return { name, dims: shape, dataType: ONNX_TYPES.float32, rawData: bytesOf(values) };
}

function valueInfo(name, shape) {
  const dim = shape.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: size }));
  return { name, type: { tensorType: { elemType: ONNX_TYPES.float32, shape: { dim } } } };
}

const int = (name, i) => ({ name, type: 2, i });
const ints = (name, list) => ({ name, type: 7, ints: list });

/** A small convolutional network with external data, a sparse initialiser and a constant node. */
export function onnxModel() {
  const external = normals(27 * 4, 'fc.weight');
  const node = (opType, input, output, attribute = []) => ({
    opType,
    name: `${opType}_${output}`,
    input,
    output: [output],
    attribute,
  });
  const model = {
    irVersion: 8,
    producerName: 'fuzz',
    opsetImport: [{ domain: '', version: 17 }],
    metadataProps: [{ key: 'note', value: 'small' }],
    graph: {
      name: 'g',
      node: [
        node('Conv', ['x', 'conv.weight', 'conv.bias'], 'c', [
          ints('kernel_shape', [2, 2]),
          ints('strides', [1, 1]),
          ints('pads', [0, 0, 0, 0]),
        ]),
        node('BatchNormalization', ['c', 'bn.weight', 'bn.bias', 'bn.mean', 'bn.var'], 'b'),
        node('Relu', ['b'], 'r'),
        node('Constant', [], 'shape', [
          {
            name: 'value',
            type: 4,
            t: { dims: [2], dataType: ONNX_TYPES.int64, rawData: bytesOf(BigInt64Array.of(-1n, 27n)) },
          },
        ]),
        node('Reshape', ['r', 'shape'], 'f'),
        node('Gemm', ['f', 'fc.weight', 'fc.bias'], 'h', [
          int('transB', 1),
          { name: 'alpha', type: 1, f: 1 },
        ]),
        node('Tanh', ['h'], 't'),
        node('MatMul', ['t', 'out.weight'], 'l'),
        node('Softmax', ['l'], 'y', [int('axis', -1)]),
      ],
      initializer: [
        tensorMessage('conv.weight', [3, 1, 2, 2]),
        { name: 'conv.bias', dims: [3], dataType: ONNX_TYPES.float32, floatData: [0.1, 0.2, 0.3] },
        tensorMessage('bn.weight', [3], Float32Array.of(1, 1.5, 0.5)),
        tensorMessage('bn.bias', [3]),
        tensorMessage('bn.mean', [3]),
        tensorMessage('bn.var', [3], Float32Array.of(1, 2, 3)),
        {
          name: 'fc.weight',
          dims: [4, 27],
          dataType: ONNX_TYPES.float32,
          dataLocation: 1,
          externalData: [
            { key: 'location', value: 'net.data' },
            { key: 'offset', value: '0' },
            { key: 'length', value: String(external.byteLength) },
          ],
        },
        tensorMessage('fc.bias', [4]),
      ],
      sparseInitializer: [
        {
          values: tensorMessage('out.weight', [3]),
          indices: { dims: [3], dataType: ONNX_TYPES.int64, rawData: bytesOf(BigInt64Array.of(0n, 3n, 7n)) },
          dims: [4, 2],
        },
      ],
      input: [valueInfo('x', ['N', 1, 4, 4])],
      output: [valueInfo('y', ['N', 2])],
    },
  };
  return {
    'net.onnx': Uint8Array.from(onnxSchema.lookupType('Model').encode(model).finish()),
    'net.data': bytesOf(external),
  };
}

/** A graph of the operators that shape, slice, pad and reduce, with positions and shapes as constants and in nodes. */
export function shapingModel() {
  const int64s = (name, list) => ({
    name,
    dims: [list.length],
    dataType: ONNX_TYPES.int64,
    rawData: bytesOf(BigInt64Array.from(list, BigInt)),
  });
  const node = (opType, input, output, attribute = []) => ({
    opType,
    name: `${opType}_${output}`,
    input,
    output: [output].flat(),
    attribute,
  });
  const model = {
    irVersion: 8,
    producerName: 'fuzz',
    opsetImport: [{ domain: '', version: 17 }],
    graph: {
      name: 'g',
      node: [
        node('Pad', ['x', 'pads'], 'a', [{ name: 'mode', type: 3, s: encoder.encode('reflect') }]),
        node('Slice', ['a', 'starts', 'ends', 'axes'], 'b'),
        node('Transpose', ['b'], 'c', [ints('perm', [0, 2, 3, 1])]),
        node('MatMul', ['c', 'w1'], 'd'),
        node('Split', ['d'], ['e1', 'e2'], [int('axis', -1)]),
        node('Sigmoid', ['e1'], 'f'),
        node('Mul', ['f', 'e2'], 'g'),
        node('Concat', ['g', 'e1'], 'h', [int('axis', 3)]),
        node('Gather', ['h', 'rows'], 'i', [int('axis', 1)]),
        node('ReduceMean', ['i'], 'j', [ints('axes', [1, 2]), int('keepdims', 0)]),
        node('Shape', ['j'], 's'),
        node('ConstantOfShape', ['size'], 'ones', [
          { name: 'value', type: 4, t: { dims: [1], dataType: ONNX_TYPES.float32, floatData: [1] } },
        ]),
        node('Expand', ['ones', 's'], 'k'),
        node('Add', ['j', 'k'], 'l'),
        node('Unsqueeze', ['l', 'one'], 'm'),
        node('Squeeze', ['m', 'one'], 'n'),
        node('Clip', ['n', 'low', 'high'], 'o'),
        node('LayerNormalization', ['o', 'scale'], 'p', [int('axis', -1)]),
        node('Gemm', ['p', 'w2'], 'y'),
      ],
      initializer: [
        int64s('pads', [0, 0, 1, 1, 0, 0, 1, 1]),
        int64s('starts', [0, 1]),
        int64s('ends', [1000, 5]),
        int64s('axes', [2, 3]),
        int64s('rows', [0, 2, -1]),
        int64s('size', [1]),
        int64s('one', [1]),
        tensorMessage('w1', [1, 4]),
        tensorMessage('low', [], Float32Array.of(-1)),
        tensorMessage('high', [], Float32Array.of(6)),
        tensorMessage('scale', [4]),
        tensorMessage('w2', [4, 3]),
      ],
      input: [valueInfo('x', ['N', 1, 4, 4])],
      output: [valueInfo('y', ['N', 3])],
    },
  };
  return { 'net.onnx': Uint8Array.from(onnxSchema.lookupType('Model').encode(model).finish()) };
}

/** A safetensors file around a header and data. */
export function safetensorsOf(header, data) {
  const text = typeof header === 'string' ? encoder.encode(header) : header;
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  return Uint8Array.from(Buffer.concat([length, text, data]));
}

/** The weights of the sequential model as torch would save a part of them pruned. */
export function safetensorsFile() {
  const header = { __metadata__: { format: 'pt', 'bn/beta': 'bn/gamma' } };
  const parts = [];
  let end = 0;
  const put = (name, shape, values = normals(sizeOf(shape), name)) => {
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + values.byteLength] };
    end += values.byteLength;
    parts.push(bytesOf(values));
  };
  for (const [name, shape] of Object.entries(SEQUENTIAL_SHAPES)) {
    if (name === 'bn/beta') continue;
    if (name === 'out/bias') {
      put('out/bias_orig', shape);
      put('out/bias_mask', shape, Float32Array.of(1, 0));
    } else put(name, shape);
  }
  return safetensorsOf(JSON.stringify(header), Buffer.concat(parts));
}

/** The same weights as NumPy saves them. */
export function weightArchive() {
  return zip(
    Object.fromEntries(
      Object.entries(SEQUENTIAL_SHAPES).map(([name, shape]) => [
        `${name.replace('/', '.')}.npy`,
        npy('<f4', shape, normals(sizeOf(shape), name)),
      ]),
    ),
  );
}

const random = randomStream(3, 'data');
const COUNT = 12;
const pixels = Uint8Array.from({ length: COUNT * 16 }, () => random.integer(256));
const classes = Uint8Array.from({ length: COUNT }, (_, i) => i % 2);

/** Images and labels. */
export function dataArchive() {
  return zip({
    'x_train.npy': npy('|u1', [COUNT, 4, 4, 1], pixels),
    'y_train.npy': npy('<i8', [COUNT], BigInt64Array.from(classes, BigInt)),
    'x_test.npy': npy('<f4', [4, 4, 4, 1], normals(64, 'test')),
    'y_test.npy': npy('<i4', [4], Int32Array.of(0, 1, 1, 0)),
  });
}

function idx(shape, values) {
  const head = new Uint8Array(4 + 4 * shape.length);
  head.set([0, 0, 8, shape.length]);
  shape.forEach((size, axis) => {
    new DataView(head.buffer).setUint32(4 + 4 * axis, size);
  });
  return Uint8Array.from(Buffer.concat([head, values]));
}

/** MNIST's four files, small. */
export function idxFiles() {
  return {
    'train-images-idx3-ubyte': idx([COUNT, 4, 4], pixels),
    'train-labels-idx1-ubyte': idx([COUNT], classes),
    't10k-images-idx3-ubyte': idx([4, 4, 4], pixels.subarray(0, 64)),
    't10k-labels-idx1-ubyte': idx([4], classes.subarray(0, 4)),
  };
}

/** The same, gzipped. */
export function gzippedIdxFiles() {
  return Object.fromEntries(
    Object.entries(idxFiles()).map(([name, bytes]) => [`${name}.gz`, Uint8Array.from(gzipSync(bytes))]),
  );
}

/** Two batches and the test batch of CIFAR-10, of three images each. */
export function cifarFiles() {
  const batch = (seed) => {
    const bytes = Uint8Array.from({ length: 3 * 3073 }, (_, i) => (i * seed) % 251);
    for (let i = 0; i < 3; i++) bytes[3073 * i] = i;
    return bytes;
  };
  return { 'data_batch_1.bin': batch(3), 'data_batch_2.bin': batch(5), 'test_batch.bin': batch(7) };
}

/** A tar archive (POSIX ustar). */
export function tar(members) {
  const parts = Object.entries(members).flatMap(([name, bytes]) => {
    const head = new Uint8Array(512);
    const put = (text, at) => head.set(encoder.encode(text), at);
    const octal = (number, digits) => `${number.toString(8).padStart(digits, '0')}\0`;
    put(name, 0);
    put(octal(0o644, 7), 100);
    put(octal(0, 7), 108);
    put(octal(0, 7), 116);
    put(octal(bytes.length, 11), 124);
    put(octal(0, 11), 136);
    put('        ', 148);
    put('0', 156);
    put('ustar\x0000', 257);
    put(
      `${octal(
        head.reduce((sum, byte) => sum + byte, 0),
        6,
      )} `,
      148,
    );
    return [head, bytes, new Uint8Array((512 - (bytes.length % 512)) % 512)];
  });
  return Uint8Array.from(Buffer.concat([...parts, new Uint8Array(1024)]));
}

/** CIFAR-10's archive as it is downloaded. */
export function cifarArchive() {
  const members = Object.entries(cifarFiles()).map(([name, bytes]) => [
    `cifar-10-batches-bin/${name}`,
    bytes,
  ]);
  return Uint8Array.from(gzipSync(tar(Object.fromEntries(members))));
}

/** A table with a header, quotes and a label column. */
export function csvFile() {
  const rows = Array.from({ length: COUNT }, (_, i) =>
    [...normals(3, `row ${i}`)]
      .map((value) => value.toFixed(4))
      .concat(`"${i % 2 ? 'cat' : 'dog'}"`)
      .join(','),
  );
  return encoder.encode(`a,"b, c",d,label\n${rows.join('\n')}\n`);
}

/** A configuration with a value of every kind. */
export function configFile() {
  const config = {
    data: 'data.csv',
    labelColumn: 'label',
    normalize: '0.5/0.5',
    examples: 8,
    epsilon: '1%',
    ratios: [0.5, 0.9],
    include: ['*kernel'],
    curvature: 'ggn',
    seed: 3,
    probes: 2,
    layout: 'NHWC',
  };
  return encoder.encode(JSON.stringify(config, null, 2));
}

/** Where the report lies that `prepareReport` made; readers are other processes. */
const REPORT_VARIABLE = 'PRUNE_LIMIT_FUZZ_REPORT';

/** Analyses the sequential model, so that the report is of the version at hand; times and paths are made the same. */
export function prepareReport(folder) {
  for (const [name, bytes] of Object.entries({ ...sequentialModel(), 'data.npz': dataArchive() })) {
    writeFileSync(join(folder, name), bytes);
  }
  const command = fileURLToPath(new URL('../../bin/prune-limit.js', import.meta.url));
  const options =
    '--quiet --epsilon 0.01 --probes 1 --steps 3 --ratios 0.5 --backend cpu --format json'.split(' ');
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [command, 'analyze', folder, '--data', join(folder, 'data.npz'), ...options],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`no report to damage: ${stderr}`);
  const report = JSON.parse(stdout);
  report.model.path = 'model.json';
  report.data.path = 'data.npz';
  for (const key of Object.keys(report.timing)) {
    if (typeof report.timing[key] === 'number') report.timing[key] = 1;
  }
  const path = join(folder, 'report.json');
  writeFileSync(path, JSON.stringify(report));
  process.env[REPORT_VARIABLE] = path;
}

/** The report that was prepared. */
export function reportFile() {
  return new Uint8Array(readFileSync(process.env[REPORT_VARIABLE]));
}
