import { describe, expect, it } from 'vitest';
import { chooseLoss } from '../../src/analysis/choose-loss.js';
import { networkExamples } from '../../src/analysis/problem.js';
import { requireTableRows } from '../../src/analysis/table-rows.js';
import type { LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { prepareBackend } from '../../src/compute/backend.js';
import type { LossChoice } from '../../src/config.js';
import type { Labels } from '../../src/dataset/dataset.js';
import { createNetwork, describeNetwork } from '../../src/network/create-network.js';
import type { LossName } from '../../src/network/loss.js';
import type { Network } from '../../src/network/network.js';
import { fakeCheckpoint } from '../cli/fake-host.js';
import { expectInputError, splitWith } from '../dataset/support.js';
import { fixedCheckpoint, smallModel } from './support.js';

const classes: Labels = { kind: 'classes', values: Int32Array.of(0, 2, 1), classCount: 3 };
const oneHot: Labels = { kind: 'targets', values: Float32Array.of(0, 1, 1, 0), width: 2 };
const soft: Labels = { kind: 'targets', values: Float32Array.of(0.3, 0.7, 1, 0), width: 2 };
const numbers: Labels = { kind: 'targets', values: Float32Array.of(0.5, -2, 7), width: 1 };

function ending(activation: string, changes: Partial<LayersCheckpoint> = {}): LayersCheckpoint {
  const layer = { class_name: 'Dense', config: { name: 'last', units: 3, activation } };
  return {
    ...fakeCheckpoint('model.json'),
    topology: { class_name: 'Sequential', config: { layers: [layer] } },
    ...changes,
  };
}

function trainedWith(loss: unknown): LayersCheckpoint {
  return ending('linear', { extra: { trainingConfig: { loss } } });
}

describe('chooseLoss', () => {
  it.each<[string, LossName, LayersCheckpoint, Labels]>([
    ['a final softmax', 'cross-entropy', ending('softmax'), classes],
    ['a final sigmoid', 'binary-cross-entropy', ending('sigmoid'), classes],
    ['a final softmax, whatever the labels', 'cross-entropy', ending('softmax'), soft],
    ['class labels', 'cross-entropy', ending('linear'), classes],
    ['one-hot rows', 'cross-entropy', ending('linear'), oneHot],
    ['rows of numbers', 'mse', ending('linear'), soft],
    ['numbers', 'mse', ending('linear'), numbers],
    ['a loss it was trained with', 'mse', trainedWith('meanSquaredError'), classes],
    ['the same as Keras writes it', 'mse', trainedWith('mean_squared_error'), classes],
    ['another', 'cross-entropy', trainedWith('sparseCategoricalCrossentropy'), numbers],
    ['a third', 'binary-cross-entropy', trainedWith('binaryCrossentropy'), classes],
    ['an unknown loss it was trained with: labels', 'cross-entropy', trainedWith('hinge'), classes],
    ['several losses: labels', 'mse', trainedWith({ out: 'hinge' }), numbers],
  ])('%s: %s', async (_title, loss, checkpoint, labels) => {
    expect(chooseLoss('auto', await describeNetwork(checkpoint), labels).loss).toBe(loss);
  });

  it('a training configuration inside of a Keras topology', async () => {
    const checkpoint = ending('linear');
    checkpoint.topology = {
      model_config: checkpoint.topology,
      training_config: { loss: 'binary_crossentropy' },
    };
    expect(chooseLoss('auto', await describeNetwork(checkpoint), classes).loss).toBe('binary-cross-entropy');
  });

  it('the loss that is asked for comes first', async () => {
    expect(chooseLoss('mse', await describeNetwork(trainedWith('binaryCrossentropy')), classes).loss).toBe(
      'mse',
    );
  });
});

describe('what is said of a loss', () => {
  const notes = async (checkpoint: LayersCheckpoint, choice: LossChoice = 'auto'): Promise<string[]> =>
    chooseLoss(choice, await describeNetwork(checkpoint), classes).notes;
  const training = (activation: string, loss: unknown): LayersCheckpoint =>
    ending(activation, { extra: { trainingConfig: { loss } } });

  it('nothing of a usual pair', async () => {
    expect(await notes(ending('softmax'))).toEqual([]);
    expect(await notes(training('softmax', 'categorical_crossentropy'))).toEqual([]);
    expect(await notes(training('linear', 'mse'))).toEqual([]);
    const fromLogits = { class_name: 'CategoricalCrossentropy', config: { from_logits: true } };
    expect(await notes(training('linear', fromLogits))).toEqual([]);
  });

  it.each<[string, LayersCheckpoint, RegExp]>([
    [
      'a loss that is not known',
      training('softmax', 'poisson'),
      /trained with poisson, a loss .*cross-entropy/,
    ],
    ['several', training('linear', ['mse', 'hinge']), /trained with mse and hinge/],
    [
      'label smoothing',
      training('softmax', { class_name: 'CategoricalCrossentropy', config: { label_smoothing: 0.1 } }),
      /label_smoothing 0\.1; it is analysed without/,
    ],
    ['a loss of probabilities without any', training('linear', 'binary_crossentropy'), /taken for logits/],
    [
      'from_logits of a softmax',
      training('softmax', { class_name: 'CategoricalCrossentropy', config: { from_logits: true } }),
      /from_logits on the outputs of a softmax/,
    ],
    ['a pair of two kinds', training('softmax', 'binary_crossentropy'), /each of its probabilities/],
  ])('%s', async (_title, checkpoint, words) => {
    expect(await notes(checkpoint)).toEqual([expect.stringMatching(words)]);
  });

  it('a loss that is asked for in place of the trained one', async () => {
    expect(await notes(training('linear', 'mse'), 'cross-entropy')).toEqual([
      expect.stringMatching(/trained with mse and is analysed with cross-entropy/),
    ]);
  });
});

describe('inputs that are rows of a table', () => {
  const examples = (inputs: number[]) => ({
    count: inputs.length / 2,
    inputs: (start: number, end: number) => Float32Array.from(inputs.slice(2 * start, 2 * end)),
  });
  const tables = [
    { layer: 'words', rows: 50 },
    { layer: 'few', rows: 5 },
  ];

  it.each<[string, number[], RegExp]>([
    ['beyond it', [0, 4, 1, 5], /example 7 has the input 5.*layer 'few' has 5 rows \(0 to 4\)/],
    ['below 0', [-1, 4, 1, 2], /example 3 has the input -1/],
    ['between two', [0, 4, 1.5, 2], /example 7 has the input 1\.5/],
  ])('are refused %s', async (_title, inputs, words) => {
    const check = async () => requireTableRows(tables, examples(inputs), Int32Array.of(3, 7));
    await expectInputError(check, 'data/table-row', words);
  });

  it('are taken within it, and anything without tables', () => {
    requireTableRows(tables, examples([0, 4, 1, 3]), Int32Array.of(3, 7));
    requireTableRows([], examples([-1, 1e9]), Int32Array.of(0));
  });
});

describe('networkExamples', () => {
  const options = { normalize: null, sample: 'first', seed: 0 } as const;

  async function networkWith(outputs: number): Promise<Network> {
    await prepareBackend('cpu');
    const network = await createNetwork(await fixedCheckpoint(smallModel(4, 6, outputs)));
    network.dispose(); // its shapes are all that is needed
    return network;
  }

  function split(labels: Labels) {
    const width = labels.kind === 'classes' ? 1 : labels.width;
    const count = labels.values.length / width;
    const values = Float32Array.from({ length: 4 * count }, (_, i) => i);
    return splitWith({ count, shape: [4], layout: 'flat', values, labels });
  }

  async function targets(labels: Labels, loss: LossName, outputs: number): Promise<number[]> {
    const part = split(labels);
    const examples = networkExamples(part, await networkWith(outputs), loss, 'all', options);
    return [...examples.targets(0, part.count)];
  }

  const halves: Labels = { kind: 'targets', values: Float32Array.of(0.5, 0, 1), width: 1 };
  const wholes: Labels = { kind: 'targets', values: Float32Array.of(2, 0, 1), width: 1 };
  const bits: Labels = { kind: 'classes', values: Int32Array.of(0, 1, 1), classCount: 2 };

  it.each<[string, Labels, LossName, number, number[]]>([
    ['classes, one-hot', classes, 'cross-entropy', 3, [1, 0, 0, 0, 0, 1, 0, 1, 0]],
    ['classes among more outputs', bits, 'cross-entropy', 3, [1, 0, 0, 0, 1, 0, 0, 1, 0]],
    ['classes that are stored as floats', wholes, 'cross-entropy', 3, [0, 0, 1, 1, 0, 0, 0, 1, 0]],
    ['one-hot rows as they are', oneHot, 'cross-entropy', 2, [0, 1, 1, 0]],
    ['soft labels as they are', soft, 'cross-entropy', 2, [...soft.values]],
    ['binary classes for one output', bits, 'binary-cross-entropy', 1, [0, 1, 1]],
    ['soft binary labels', halves, 'binary-cross-entropy', 1, [0.5, 0, 1]],
    ['several binary labels', oneHot, 'binary-cross-entropy', 2, [0, 1, 1, 0]],
    ['classes for several sigmoids', bits, 'binary-cross-entropy', 2, [1, 0, 0, 1, 0, 1]],
    ['numbers to predict', numbers, 'mse', 1, [0.5, -2, 7]],
    ['whole numbers to predict', classes, 'mse', 1, [0, 2, 1]],
    ['classes for mse', bits, 'mse', 2, [1, 0, 0, 1, 0, 1]],
  ])('%s', async (_title, labels, loss, outputs, expected) => {
    expect(await targets(labels, loss, outputs)).toEqual(expected);
  });

  it.each<[string, Labels, LossName, number, string, RegExp]>([
    [
      'a class beyond the outputs',
      classes,
      'cross-entropy',
      2,
      'dataset/label-range',
      /example 1 has label 2.*2 classes/,
    ],
    ['a third class for one output', classes, 'binary-cross-entropy', 1, 'dataset/label-range', /label 2/],
    [
      'a float that is no class',
      halves,
      'cross-entropy',
      3,
      'dataset/label-range',
      /example 0 has label 0\.5/,
    ],
    ['one output for classes', classes, 'cross-entropy', 1, 'data/one-output', /--loss binary-cross-entropy/],
    ['rows of another width', soft, 'cross-entropy', 3, 'data/target-width', /2 target values.*3 outputs/],
    ['numbers for several outputs', numbers, 'mse', 3, 'data/target-width', /1 target value/],
    ['numbers as probabilities', numbers, 'binary-cross-entropy', 1, 'data/target-range', /example 1 .*-2/],
    [
      'rows of numbers as probabilities',
      { kind: 'targets', values: Float32Array.of(0, 1, 3, 0), width: 2 },
      'cross-entropy',
      2,
      'data/target-range',
      /example 1 .*3.*--loss mse/,
    ],
  ])('refuses %s', async (_title, labels, loss, outputs, code, words) => {
    await expectInputError(() => targets(labels, loss, outputs), code, words);
  });

  it('takes the first examples, a seeded subset, or all; inputs and targets stay together', async () => {
    const network = await networkWith(50);
    const labels: Labels = {
      kind: 'classes',
      values: Int32Array.from({ length: 50 }, (_, i) => i),
      classCount: 50,
    };
    const chosen = (count: number | 'all', sample: 'first' | 'random', seed: number): number[] => {
      const source = networkExamples(split(labels), network, 'cross-entropy', count, {
        ...options,
        sample,
        seed,
      });
      return Array.from({ length: source.count }, (_, i) => {
        const example = source.inputs(i, i + 1)[0] / 4;
        expect(source.targets(i, i + 1)[example]).toBe(1);
        return example;
      });
    };
    expect(chosen(3, 'first', 1)).toEqual([0, 1, 2]);
    expect(chosen('all', 'random', 1)).toHaveLength(50);
    expect(chosen(10, 'random', 1)).toEqual(chosen(10, 'random', 1));
    expect(chosen(10, 'random', 1)).not.toEqual(chosen(10, 'random', 2));
  });
});
