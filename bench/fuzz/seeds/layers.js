/** Small LayersModels. */
import { bytesOf, encoder, normals, sizeOf } from './basics.js';

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
export const SEQUENTIAL_SHAPES = {
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
