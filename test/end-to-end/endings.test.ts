/** What a network ends in, and the loss it was trained with: what an analysis says and refuses. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { npy, npz } from '../dataset/support.js';
import {
  analyzed,
  dense,
  type LayerEntry,
  quick,
  runReal,
  writeFileIn,
  writeMlp,
  writeModel,
  writeVectors,
} from './support.js';

const weights = [
  { name: 'first/kernel', shape: [4, 6] },
  { name: 'first/bias', shape: [6] },
  { name: 'last/kernel', shape: [6, 3] },
  { name: 'last/bias', shape: [3] },
];

const layer = (className: string, config: Record<string, unknown>): LayerEntry => ({
  class_name: className,
  config: { name: className.toLowerCase(), ...config },
});

/** A classifier of vectors of 4 numbers, with layers behind its softmax. */
function classifier(...behind: LayerEntry[]): string {
  return writeModel([dense('first', 6, 'tanh', 4), dense('last', 3, 'softmax'), ...behind], weights);
}

describe('an analysis', () => {
  it('looks through what only hands a softmax on', async () => {
    const data = writeVectors(4, 3);
    const plain = await analyzed(classifier(), '--data', data, ...quick);
    const handedOn = classifier(
      layer('Dropout', { rate: 0.5 }),
      layer('Reshape', { target_shape: [1, 3] }),
      layer('Flatten', {}),
    );
    const report = await analyzed(handedOn, '--data', data, ...quick);
    expect(report.loss.name).toBe('cross-entropy');
    expect(report.loss.value).toBeCloseTo(plain.loss.value, 6);
    expect(report.accuracy).toEqual(plain.accuracy);
    expect(report.warnings.join()).not.toMatch(/for logits/);
  });

  it('warns of probabilities that it takes for logits', async () => {
    const hidden = classifier(layer('Activation', { activation: 'relu' }));
    const report = await analyzed(hidden, '--data', writeVectors(4, 3), ...quick);
    expect(report.warnings).toContainEqual(expect.stringMatching(/logits lie between 0 and 1 and sum to 1/));
  });

  it('says which loss a model was trained with, where it has none of the kind', async () => {
    const model = writeMlp([4, 5, 3], 'softmax', { trainingConfig: { loss: { class_name: 'Poisson' } } });
    const report = await analyzed(model, '--data', writeVectors(4, 3), ...quick);
    expect(report.loss.name).toBe('cross-entropy');
    expect(report.warnings).toContainEqual(
      expect.stringMatching(/trained with Poisson, .* analysed with cross/),
    );
  });

  it('takes a pair of two kinds through all of its stages', async () => {
    const model = writeMlp([4, 5, 3], 'softmax', { trainingConfig: { loss: 'binary_crossentropy' } });
    const report = await analyzed(model, '--data', writeVectors(4, 3), ...quick, '--backend', 'auto');
    expect(report.loss.name).toBe('binary-cross-entropy');
    expect(report.warnings).toContainEqual(expect.stringMatching(/each of its probabilities/));
    // With an accuracy by outputs a third of the decisions would be steps between these.
    expect((report.accuracy?.train as number) * 300).toBeCloseTo(
      Math.round((report.accuracy?.train as number) * 300),
      9,
    );
  });

  it('refuses classes at every step of a sequence, and computes their outputs with mse', async () => {
    const steps = { units: 3, activation: 'softmax', batch_input_shape: [null, 5, 4] };
    const model = writeModel(
      [layer('Dense', steps)],
      [
        { name: 'dense/kernel', shape: [4, 3] },
        { name: 'dense/bias', shape: [3] },
      ],
    );
    const rows = 40;
    const data = writeFileIn(
      'data.npz',
      npz({
        x_train: npy(
          '<f4',
          [rows, 5, 4],
          Float32Array.from({ length: rows * 20 }, (_, i) => Math.sin(i)),
        ),
        y_train: npy(
          '<f4',
          [rows, 15],
          Float32Array.from({ length: rows * 15 }, (_, i) => (i % 3 === 0 ? 1 : 0)),
        ),
      }),
    );
    const { exitCode, stderr } = await runReal('analyze', model, '--data', data, ...quick);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^prune-limit: .*\[5, 3\].*softmax over parts of it.*--loss mse[^\n]*\n$/);
    const report = await analyzed(model, '--data', data, ...quick, '--loss', 'mse', '--epsilon', '0.01');
    expect(report.loss.name).toBe('mse');
    // Outputs that are probabilities are no further from 0 and 1 than 1.
    expect(report.loss.value).toBeLessThan(1);
  });

  it('refuses row numbers beyond a table, and takes those within', async () => {
    const tokens = (last: number): string =>
      writeFileIn(
        'tokens.npz',
        npz({
          x_train: npy(
            '<i4',
            [60, 3],
            Int32Array.from({ length: 180 }, (_, i) => (i === 100 ? last : i % 7)),
          ),
          y_train: npy(
            '<i4',
            [60],
            Int32Array.from({ length: 60 }, (_, i) => i % 2),
          ),
        }),
      );
    const model = writeModel(
      [
        layer('Embedding', { input_dim: 8, output_dim: 4, batch_input_shape: [null, 3] }),
        layer('GlobalAveragePooling1D', {}),
        dense('out', 2, 'softmax'),
      ],
      [
        { name: 'embedding/embeddings', shape: [8, 4] },
        { name: 'out/kernel', shape: [4, 2] },
        { name: 'out/bias', shape: [2] },
      ],
    );
    const { exitCode, stderr } = await runReal('analyze', model, '--data', tokens(8), ...quick);
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringMatching(/^prune-limit: example 33 has the input 8, .*'embedding' has 8 rows \(0 to 7\)/),
    ]);
    const report = await analyzed(model, '--data', tokens(7), ...quick, '--epsilon', '0.01');
    expect(report.loss.value).toBeGreaterThan(0);
  });
});

const cases = fileURLToPath(new URL('../../../shared/cases/layers', import.meta.url));

/** Values computed independently, with numpy and torch, of models that lie beside the repository. */
describe.skipIf(!existsSync(cases))('models as people bring them', () => {
  it.each<[string, string, number, number | null]>([
    ['plain', 'xy', 0.36107, 0.85],
    ['softmax-then-reshape', 'xy', 0.36107, 0.85],
    ['keras3-sequential', 'xy', 0.36107, 0.85],
    ['softmax-with-binary-crossentropy', 'xy', 0.224648, 0.85],
    ['sigmoid-with-categorical-crossentropy', 'xy', 0.401157, 0.85],
    ['loss-as-object', 'xy1', 0.059183, null],
    ['loss-as-string', 'xy1', 0.059183, null],
  ])('%s', async (name, data, loss, accuracy) => {
    const report = await analyzed(join(cases, name), '--data', join(cases, `${data}.npz`), ...quick);
    expect(report.loss.value).toBeCloseTo(loss, 6);
    expect(report.accuracy?.train ?? null).toBe(accuracy);
  });
});
