import { expect, it } from 'vitest';
import type { Problem } from '../../../src/analysis/problem.js';
import {
  decodeIdentity,
  encodeIdentity,
  identityOf,
  requireSame,
  type StateIdentity,
} from '../../../src/analysis/state/identity.js';
import type { AnalyzeConfig } from '../../../src/config.js';
import type { Split } from '../../../src/dataset/dataset.js';
import { configWith } from '../support.js';

const train: Split = {
  count: 2,
  shape: [4],
  layout: 'flat',
  values: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  byteImages: false,
  labels: { kind: 'classes', values: Int32Array.of(0, 1), classCount: 2 },
};

const problem: Pick<Problem, 'engine' | 'dataset' | 'loss'> = {
  engine: { backend: 'wasm', threads: 1, versions: {}, notes: [], onnx: null },
  dataset: { path: 'data', format: 'npz', train, test: null, warnings: [] },
  loss: 'mse',
};

const of = (
  changes: Partial<AnalyzeConfig> = {},
  other: Partial<Problem> = {},
  sha256 = 'a'.repeat(64),
): StateIdentity => identityOf(configWith(changes), { sha256 }, { ...problem, ...other });

it.each([
  [{ examples: 65 }, '--examples was 2048 and is 65'],
  [{ sample: 'first' }, '--sample was random and is first'],
  [{ testExamples: 10 }, '--test-examples was all and is 10'],
  [{ normalize: { mean: [0.5], std: [2] } }, '--normalize was null and is {"mean":[0.5],"std":[2]}'],
  [{ curvature: 'ggn' }, '--curvature was hessian and is ggn'],
  [{ exclude: ['last/*'] }, '--exclude was [] and is ["last/*"]'],
  [{ seed: 1 }, '--seed was 0 and is 1'],
] as [Partial<AnalyzeConfig>, string][])('%j', (changes, words) => {
  expect(() => requireSame(of(), of(changes), 's')).toThrow(
    `--resume s: is of another run: ${words}; run as then, name another file, or remove it to begin anew`,
  );
});

it('what computes, the model, every number and label of the data', () => {
  const engine = { ...problem.engine, versions: { 'onnxruntime-node': '1.17.0' } };
  const wrong = (own: StateIdentity): string => {
    try {
      requireSame(of(), own, 's');
      return 'same';
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(wrong(of())).toBe('same');
  expect(wrong(of({}, {}, 'b'.repeat(64)))).toContain(
    'the SHA-256 of the model was aaaaaaaaaaaa.. and is bbbbbbbbbbbb..',
  );
  expect(wrong(of({}, { engine }))).toContain('the version of onnxruntime-node was not known and is 1.17.0');
  expect(wrong(of({}, { engine: { ...problem.engine, threads: 7 } }))).toContain('--threads was 1 and is 7');
  const with_ = (changes: Partial<Split>): string =>
    wrong(of({}, { dataset: { ...problem.dataset, train: { ...train, ...changes } } }));
  expect(with_({})).toBe('same');
  for (const changes of [
    { values: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 9) },
    { labels: { ...train.labels, values: Int32Array.of(1, 1) } as Split['labels'] },
    { byteImages: true },
    { shape: [2, 2] },
  ]) {
    expect(with_(changes)).toContain('the SHA-256 of the training data was');
  }
  expect(wrong(of({}, { dataset: { ...problem.dataset, test: train } }))).toContain(
    'the SHA-256 of the test data was none and is',
  );
});

it('what is asked of the same results is no difference', () => {
  const changes: Partial<AnalyzeConfig> = {
    epsilon: { rule: 'absolute', value: 1 },
    epsilonExamples: 7,
    tolerancePoints: 3,
    steps: 7,
    probes: 3,
    ratios: [0.5],
    bound: 'sharp',
    negative: 'clip',
    layers: 'full',
    patterns: ['2:4'],
    rowNorms: 3,
    weightScales: [2],
    accuracyTolerancePoints: 3,
    reorthogonalization: 'none',
    model: 'elsewhere',
    data: 'elsewhere',
    memoryLimitBytes: 1e9,
    dumpGraph: 'there',
  };
  expect(of(changes)).toEqual(of());
});

it('messages stay short, and no identity comes of other bytes', () => {
  const long = of({ include: Array.from({ length: 50 }, (_, i) => `layer_${i}/*`) });
  expect(() => requireSame(of(), long, 'file')).toThrow(/^.{1,300}$/);
  expect(decodeIdentity(encodeIdentity(long))).toEqual(long);
  for (const bytes of ['', '{', '{"values": [["a"]], "processor": "x"}', '[]']) {
    expect(decodeIdentity(Buffer.from(bytes))).toBeNull();
  }
});
