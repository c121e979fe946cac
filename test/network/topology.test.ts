import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import type { Topology } from '../../src/network/layer-entries.js';
import { finalActivation, withoutFinalActivation } from '../../src/network/layers-ending.js';
import {
  checkAxes,
  checkDepthwiseDilation,
  checkInputTypes,
  checkLayerSizes,
  forTrainedWeights,
  layerTypes,
} from '../../src/network/topology.js';

interface Layer {
  class_name: string;
  config: Record<string, unknown>;
}

const layer = (className: string, config: Record<string, unknown> = {}): Layer => ({
  class_name: className,
  config: { name: className.toLowerCase(), ...config },
});

const sequential = (...layers: Layer[]): Layer => ({
  class_name: 'Sequential',
  config: { name: 'model', layers },
});

/** Sequential models of old Keras versions have a bare list as their config. */
const oldSequential = (...layers: Layer[]): Topology => ({ class_name: 'Sequential', config: layers });

const functional = (outputs: unknown, ...layers: Layer[]): Layer => ({
  class_name: 'Functional',
  config: { name: 'model', layers, output_layers: outputs },
});

const softmaxDense = layer('Dense', { activation: 'softmax' });

describe('the final activation', () => {
  const found: [string, Topology, string | null][] = [
    ['of the last layer', { ...sequential(layer('Dense'), softmaxDense) }, 'softmax'],
    ['in a Keras topology', { keras_version: '2', model_config: sequential(softmaxDense) }, 'softmax'],
    ['of an old sequential model', oldSequential(softmaxDense), 'softmax'],
    ['that is a sigmoid', { ...sequential(layer('Dense', { activation: 'sigmoid' })) }, 'sigmoid'],
    ['spelt in upper case', { ...sequential(layer('Dense', { activation: 'Softmax' })) }, 'softmax'],
    [
      'given as an object',
      { ...sequential(layer('Dense', { activation: { class_name: 'Softmax', config: {} } })) },
      'softmax',
    ],
    [
      'of an Activation layer',
      { ...sequential(layer('Dense'), layer('Activation', { activation: 'sigmoid' })) },
      'sigmoid',
    ],
    ['of a Softmax layer', { ...sequential(layer('Dense'), layer('Softmax')) }, 'softmax'],
    ['of a nested model', { ...sequential(layer('Dense'), sequential(softmaxDense)) }, 'softmax'],
    [
      'of the output layer, which need not stand last',
      {
        ...functional(
          [['first', 0, 0]],
          layer('Dense', { name: 'first', activation: 'softmax' }),
          layer('Dense'),
        ),
      },
      'softmax',
    ],
    [
      'of an output named without a list',
      {
        ...functional(
          ['first', 0, 0],
          layer('Dense', { name: 'first', activation: 'sigmoid' }),
          layer('Dense'),
        ),
      },
      'sigmoid',
    ],
    ['that is another one', { ...sequential(layer('Dense', { activation: 'relu' })) }, null],
    ['of a hidden layer only', { ...sequential(softmaxDense, layer('Dense')) }, null],
    ['behind dropout', { ...sequential(softmaxDense, layer('Dropout')) }, 'softmax'],
    [
      'behind layers that only rearrange, and a linear activation',
      {
        ...sequential(
          softmaxDense,
          layer('Reshape'),
          layer('Flatten'),
          layer('Activation', { activation: 'linear' }),
        ),
      },
      'softmax',
    ],
    [
      'of a nested model before one that only rearranges',
      { ...sequential(sequential(softmaxDense), sequential(layer('Flatten'))) },
      'softmax',
    ],
    [
      'behind dropout, followed along the calls',
      {
        ...functional(
          [['drop', 0, 0]],
          { ...layer('Dropout', { name: 'drop' }), inbound_nodes: [[['first', 0, 0, {}]]] } as Layer,
          layer('Dense', { name: 'first', activation: 'sigmoid' }),
        ),
      },
      'sigmoid',
    ],
    [
      'of a layer that is applied to every step',
      { ...sequential(layer('TimeDistributed', { layer: softmaxDense })) },
      'softmax',
    ],
    [
      'behind another activation',
      { ...sequential(softmaxDense, layer('Activation', { activation: 'relu' })) },
      null,
    ],
    ['inside of a recurrent layer', { ...sequential(layer('LSTM', { activation: 'sigmoid' })) }, null],
    [
      'behind a join of two',
      {
        ...functional([['flat', 0, 0]], layer('Dense', { name: 'first', activation: 'softmax' }), {
          ...layer('Flatten', { name: 'flat' }),
          inbound_nodes: [
            [
              ['first', 0, 0, {}],
              ['first', 0, 0, {}],
            ],
          ],
        } as Layer),
      },
      null,
    ],
    ['of a model without layers', { ...sequential() }, null],
    ['of an output that is not there', { ...functional([['gone', 0, 0]], softmaxDense) }, null],
  ];

  it.each(found)('%s', (_name, topology, expected) => {
    expect(finalActivation(topology)).toBe(expected);
    const original = structuredClone(topology);
    const without = withoutFinalActivation(topology);
    expect(topology).toEqual(original);
    expect(finalActivation(without)).toBeNull();
  });

  it('is not taken off a layer that is applied more than once', () => {
    const twice = { ...softmaxDense, inbound_nodes: [[['in', 0, 0, {}]], [['mid', 0, 0, {}]]] } as Layer;
    const topology = { ...functional([['dense', 1, 0]], twice) };
    expect(finalActivation(topology)).toBe('softmax');
    expect(() => withoutFinalActivation(topology)).toThrow(
      /layer 'dense'.*applied more than once.*--loss mse/,
    );
  });

  it('is refused of what is no model', () => {
    expect(() => finalActivation({ nodes: [] })).toThrow(InputError);
    expect(() => finalActivation({ class_name: 'Sequential' })).toThrow(InputError);
  });
});

describe('a topology for trained weights', () => {
  it('has a free batch size and cheap initial values, and is a copy', () => {
    const topology = {
      ...sequential(
        layer('LSTM', {
          batch_input_shape: [32, 4, 2],
          recurrent_initializer: { class_name: 'Orthogonal', config: { gain: 1 } },
          beta_initializer: null,
        }),
        layer('InputLayer', { batch_shape: [8, 2] }),
      ),
    };
    const original = structuredClone(topology);
    const ready = forTrainedWeights(topology, 12) as unknown as typeof topology;
    expect(topology).toEqual(original);
    const [first, second] = ready.config.layers as Layer[];
    expect(first.config.batch_input_shape).toEqual([null, 4, 2]);
    expect(second.config.batch_shape).toEqual([null, 2]);
    for (const key of ['recurrent_initializer', 'beta_initializer', 'kernel_initializer']) {
      expect(first.config[key]).toEqual({ class_name: 'BoundedZeros', config: { most_values: 12 } });
    }
  });
});

describe('layer sizes', () => {
  it.each(['units', 'filters', 'input_dim', 'output_dim', 'depth_multiplier'])(
    '%s beyond the weights is refused',
    (key) => {
      const topology = { ...sequential(sequential(layer('Dense', { [key]: 1e12 }))) };
      expect(() => checkLayerSizes(topology, 1000)).toThrow(
        `layer 'dense' declares ${key} 1000000000000, but the checkpoint holds 1000 weights`,
      );
      expect(() => checkLayerSizes(topology, 1e13)).not.toThrow();
    },
  );
});

describe('axes', () => {
  it.each([
    ['shared_axes', [1, 1e8]],
    ['axis', -1e8],
    ['dims', [1, 2, 3, 4, 5, 6, 7]],
  ])('that no tensor has are refused: %s %j', (key, value) => {
    const wrong = layer('PReLU', { [key]: value });
    for (const model of [
      sequential(wrong),
      sequential(sequential(wrong)),
      sequential(layer('Wrap', { layer: wrong })),
    ]) {
      expect(() => checkAxes({ ...model })).toThrow(
        `layer "prelu" names in ${key} an axis that no tensor has`,
      );
    }
  });

  it('that tensors have are taken', () => {
    checkAxes({
      ...sequential(layer('PReLU', { shared_axes: [1, 2] }), layer('Softmax', { axis: -1, dims: null })),
    });
  });
});

describe('inputs of a type that numbers cannot become', () => {
  it.each([['string'], ['complex64'], [Infinity], [{}]])('are refused: %j', (dtype) => {
    const input = layer('InputLayer', { dtype });
    const first = layer('Dense', { dtype, batch_input_shape: [null, 3] });
    for (const topology of [sequential(input), sequential(first), sequential(sequential(input))]) {
      expect(() => checkInputTypes({ ...topology })).toThrow(
        /layer "(inputlayer|dense)" takes inputs of type .*an input of float32/,
      );
    }
  });

  it.each([[[null, []]], [[null, 4, '4']], [[null, 0]], [[null, 1.5]], ['4']])(
    'or of no shape: %j',
    (shape) => {
      const first = layer('Dense', { batch_input_shape: shape });
      expect(() => checkInputTypes({ ...sequential(first) })).toThrow(
        /layer "dense" has an input shape that is no list/,
      );
    },
  );

  it('are those of inputs alone', () => {
    checkInputTypes({
      ...sequential(
        layer('InputLayer', { dtype: 'float32' }),
        layer('InputLayer', { dtype: 'int32', batch_input_shape: [32, null, 3] }),
        layer('InputLayer'),
        layer('Dense', { dtype: 'string' }),
      ),
    });
  });
});

describe('a layer without config', () => {
  it('is refused by its place and class', () => {
    const broken = sequential(layer('Dense'), { class_name: 'Flatten' } as Layer);
    expect(() => layerTypes({ ...broken })).toThrow(/layer 2 of the model \(Flatten\) has no config/);
    for (const nothing of [null, 3, [], { config: {} }]) {
      expect(() => layerTypes({ ...sequential(nothing as unknown as Layer) })).toThrow(
        /layer 1 of the model has no/,
      );
    }
  });
});

describe('dilation', () => {
  it('of a depthwise convolution is refused, since tfjs-layers ignores it', () => {
    const dilated = layer('DepthwiseConv2D', { dilation_rate: [2, 2] });
    expect(() => checkDepthwiseDilation({ ...sequential(sequential(dilated)) })).toThrow(/dilation rate 2,2/);
    for (const rate of [undefined, 1, [1, 1]]) {
      const plain = layer('DepthwiseConv2D', { dilation_rate: rate });
      expect(() => checkDepthwiseDilation({ ...sequential(plain) })).not.toThrow();
    }
  });
});

it('layer types are named once, nested ones included', () => {
  const topology = {
    ...sequential(layer('Dense'), sequential(layer('ReLU'), layer('Dense')), layer('Softmax')),
  };
  expect(layerTypes(topology)).toEqual(['Dense', 'ReLU', 'Softmax']);
});
