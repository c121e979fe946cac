import { describe, expect, it } from 'vitest';
import { checkIgnoredOptions } from '../../src/network/ignored-options.js';

const layer = (className: string, config: Record<string, unknown>) => ({
  class_name: className,
  config: { name: 'it', ...config },
});

const model = (...layers: object[]) => ({ class_name: 'Sequential', config: { name: 'net', layers } });

describe('options that tfjs-layers does not read', () => {
  it.each<[string, object, RegExp]>([
    ['a slope', layer('ReLU', { negative_slope: 0.1 }), /layer 'it' \(ReLU\) has negative_slope 0\.1.*ONNX/],
    ['a threshold', layer('ReLU', { threshold: 1 }), /threshold 1/],
    ['padding of an output', layer('Conv2DTranspose', { output_padding: [1, 1] }), /output_padding \[1,1\]/],
    ['axes that are kept', layer('GlobalAveragePooling2D', { keepdims: true }), /keepdims true/],
    ['a norm without a mean', layer('LayerNormalization', { rms_scaling: true }), /rms_scaling true/],
    [
      'within another layer',
      layer('TimeDistributed', { layer: layer('ReLU', { negative_slope: 0.1 }) }),
      /negative_slope/,
    ],
  ])('%s: refused', (_title, entry, words) => {
    expect(() => checkIgnoredOptions(model(entry))).toThrow(words);
    expect(() => checkIgnoredOptions(model(model(entry)))).toThrow(words);
  });

  it('are taken at the values that change nothing', () => {
    const harmless = [
      layer('ReLU', { negative_slope: 0, threshold: null, max_value: 6 }),
      layer('Conv2DTranspose', { output_padding: null }),
      layer('GlobalAveragePooling2D', { keepdims: false }),
      layer('constructor', {}),
    ];
    checkIgnoredOptions(model(...harmless));
  });

  it('a hard sigmoid of Keras 3 is another one than that of tfjs', () => {
    const topology = model(layer('Dense', { activation: 'hard_sigmoid' }));
    checkIgnoredOptions({ keras_version: '2.15.0', model_config: topology });
    expect(() => checkIgnoredOptions({ keras_version: '3.4.1', model_config: topology })).toThrow(
      /Keras 3's hard_sigmoid, .*slope of Keras 2/,
    );
    expect(() => checkIgnoredOptions({ module: 'keras', ...topology })).toThrow(/hard_sigmoid/);
  });
});
