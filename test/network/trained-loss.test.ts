import { describe, expect, it } from 'vitest';
import { trainedLoss } from '../../src/network/trained-loss.js';

describe('the loss of a training configuration', () => {
  it.each<[string, unknown, string | null | undefined, boolean | null]>([
    ['a name of tfjs', 'meanSquaredError', 'mse', null],
    ['a name of Keras', 'sparse_categorical_crossentropy', 'cross-entropy', null],
    ['a short name', 'MSE', 'mse', null],
    ['an unknown name', 'hinge', null, null],
    ['an object', { class_name: 'MeanSquaredError', config: {} }, 'mse', null],
    [
      'an object with options',
      { class_name: 'BinaryCrossentropy', config: { from_logits: true } },
      'binary-cross-entropy',
      true,
    ],
    [
      "Keras 3's object",
      {
        module: 'keras.losses',
        class_name: 'SparseCategoricalCrossentropy',
        config: { from_logits: false, name: 'x' },
        registered_name: null,
      },
      'cross-entropy',
      false,
    ],
    [
      "Keras 3's function",
      { module: 'builtins', class_name: 'function', config: 'binary_crossentropy' },
      'binary-cross-entropy',
      null,
    ],
    [
      'a wrapped function',
      { class_name: 'LossFunctionWrapper', config: { fn: 'categorical_crossentropy' } },
      'cross-entropy',
      null,
    ],
    ['a list of one', ['mse'], 'mse', null],
    ['a record of one', { out: { class_name: 'MeanSquaredError', config: {} } }, 'mse', null],
    ['several', { a: 'mse', b: 'hinge' }, null, null],
    ['none', undefined, undefined, null],
    ['an empty list', [], undefined, null],
    ['a number', 3, undefined, null],
  ])('%s', (_title, loss, analysed, fromLogits) => {
    const read = trainedLoss(loss);
    if (analysed === undefined) {
      expect(read).toBeNull();
    } else {
      expect(read).toMatchObject({ analysed, fromLogits });
    }
  });

  it('names what is not computed with', () => {
    const smoothed = { class_name: 'CategoricalCrossentropy', config: { label_smoothing: 0.1 } };
    expect(trainedLoss(smoothed)?.ignored).toEqual(['label_smoothing 0.1']);
    expect(trainedLoss({ a: 'mse', b: 'hinge' })?.name).toBe('mse and hinge');
  });
});
