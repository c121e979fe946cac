import { describe, expect, it } from 'vitest';
import { matchLayerWeights } from '../../src/network/layer-weights.js';
import { expectInputError } from '../dataset/support.js';

const weight = (name: string, ...shape: number[]) => ({ name, shape });

describe('stored weights', () => {
  it.each<[string, string[], string[]]>([
    ['under their own names', ['a/kernel', 'b/kernel'], ['a/kernel', 'b/kernel']],
    ['with the name of the model before', ['net/a/kernel', 'net/b/kernel'], ['a/kernel', 'b/kernel']],
    ['with numbers of tensors behind', ['a/kernel:0', 'b/kernel:0'], ['a/kernel', 'b/kernel']],
    ['with a cell within', ['rnn/lstm_cell/kernel'], ['rnn/kernel']],
    ['with a model before and a cell within', ['net/rnn/lstm_cell/kernel'], ['rnn/kernel']],
    ['with numbers behind their layers', ['a_1/kernel', 'b_1/kernel'], ['a/kernel', 'b/kernel']],
    [
      'of a depthwise convolution of Keras 3',
      ['net/d/kernel', 'net/d/bias'],
      ['d/depthwise_kernel', 'd/bias'],
    ],
    ['with numbers behind themselves', ['a/kernel_1', 'a/bias_1'], ['a/kernel', 'a/bias']],
    ['names that end alike', ['net/a/kernel', 'net/x_a/kernel'], ['a/kernel', 'x_a/kernel']],
    ['numbers that tell layers apart', ['net/d/kernel', 'net/d_1/kernel'], ['d/kernel', 'd_1/kernel']],
  ])('%s', (_title, stored, known) => {
    const matches = matchLayerWeights(
      stored.map((name) => weight(name, 2, 3)),
      known.map((name) => weight(name, 2, 3)),
      'model.json',
    );
    expect(known.map((name) => matches.get(name))).toEqual(stored);
  });

  it.each<[string, ReturnType<typeof weight>[], ReturnType<typeof weight>[], RegExp]>([
    [
      'a missing one',
      [weight('a/kernel', 2)],
      [weight('a/kernel', 2), weight('a/bias', 2)],
      /"a\/bias" is not/,
    ],
    [
      'one too many',
      [weight('a/kernel', 2), weight('b/x', 2)],
      [weight('a/kernel', 2)],
      /"b\/x" belongs to no/,
    ],
    [
      'a name that several end in',
      [weight('x/a/kernel', 2), weight('y/a/kernel', 2)],
      [weight('a/kernel', 2), weight('b/kernel', 2)],
      /"a\/kernel" and 1 more are not among the stored ones, where "x\/a\/kernel", "y\/a\/kernel" are left over/,
    ],
    [
      'another shape under a longer name',
      [weight('x/a/kernel', 3)],
      [weight('a/kernel', 2)],
      /"a\/kernel" is not/,
    ],
    [
      'a name of two layers',
      [weight('x/a/kernel', 2), weight('y/a/kernel', 2)],
      [weight('a/kernel', 2), weight('a/kernel', 2)],
      /two layers of the model have a weight "a\/kernel"/,
    ],
    [
      'numbers that are moved by one',
      [weight('a_1/kernel', 2), weight('a_2/kernel', 2)],
      [weight('a/kernel', 2), weight('a_1/kernel', 2)],
      /"a\/kernel" is not among.*"a_2\/kernel" is left over/,
    ],
    [
      'numbers that could be two layers',
      [weight('a_5/kernel', 2), weight('a_6/kernel', 2)],
      [weight('a/kernel', 2), weight('a_1/kernel', 2)],
      /and 1 more are not/,
    ],
  ])('%s is refused', async (_title, stored, known, words) => {
    await expectInputError(
      async () => matchLayerWeights(stored, known, 'model.json'),
      'network/topology',
      words,
    );
  });
});
