import { describe, expect, it } from 'vitest';
import { buildFailure } from '../../src/network/build-failure.js';

const keras2 = { class_name: 'Sequential', config: { layers: [] } };
const keras3 = { keras_version: '3.5.0', model_config: keras2 };

describe('what is said where tfjs-layers cannot build a model', () => {
  it.each<[string, object, string, RegExp]>([
    [
      'an unknown layer',
      keras2,
      'Unknown layer: Lambda. This may be due to one of the following reasons: ...',
      /^m\.json: unknown layer 'Lambda': .*ONNX, for example with tf2onnx/,
    ],
    [
      'no shape of the input',
      keras2,
      'The first layer in a Sequential model must get an `inputShape` or `batchInputShape` argument.',
      /^m\.json: the model does not say the shape of its input: call model\.build/,
    ],
    [
      'a model of Keras 3',
      keras3,
      'Improper config format',
      /Improper config format\): .*TF_USE_LEGACY_KERAS=1/,
    ],
    ['another', keras2, 'axis 9 is out of range', /axis 9 is out of range\): export it to ONNX/],
    [
      'weights of another layer',
      keras2,
      'Shape mismatch: [8,4] vs. [8,3]',
      /vs\. \[8,3\]\): .*convert the model again$/,
    ],
    ['many words', keras3, 'word '.repeat(1000), /word \.\.\.\): save it with Keras 2/],
  ])('%s', (_title, topology, reason, words) => {
    const { message } = buildFailure('m.json', topology as never, new Error(`${reason}\nmore`));
    expect(message).toMatch(words);
    expect(message).not.toContain('\n');
    expect(message.length).toBeLessThanOrEqual(300);
  });
});
