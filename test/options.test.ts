import { expect, test } from 'vitest';
import { analyzeOptionNames, pruneOptionNames, studyOptionNames } from '../src/cli/option-names.js';
import { resumeOptionNames } from '../src/cli/resume-options.js';
import { type AnalyzeOptions, type PruneOptions, type StudyOptions, study } from '../src/index.js';

/** Every name that the types have: the compiler asks for each, and for no other. */
const analyzeNames: Record<Exclude<keyof AnalyzeOptions, 'model'>, true> = {
  weights: true,
  config: true,
  data: true,
  labelColumn: true,
  layout: true,
  normalize: true,
  examples: true,
  sample: true,
  testExamples: true,
  loss: true,
  epsilon: true,
  epsilonExamples: true,
  curvature: true,
  negative: true,
  bound: true,
  probes: true,
  steps: true,
  tolerance: true,
  reorthogonalization: true,
  accuracyTolerance: true,
  ratios: true,
  layers: true,
  patterns: true,
  weightScales: true,
  rowNorms: true,
  tune: true,
  include: true,
  exclude: true,
  seed: true,
  backend: true,
  threads: true,
  memoryLimit: true,
  productPlan: true,
  shards: true,
  workers: true,
  allowDrift: true,
  dumpGraph: true,
  resume: true,
  keepState: true,
};
const pruneNames: Record<Exclude<keyof PruneOptions, keyof AnalyzeOptions>, true> = {
  ratio: true,
  atLimit: true,
  method: true,
  calibration: true,
  output: true,
  report: true,
  allocation: true,
  gate: true,
  sparse: true,
};

const studyNames: Record<Exclude<keyof StudyOptions, 'name'>, true> = {
  output: true,
  model: true,
  weights: true,
  data: true,
  labelColumn: true,
  layout: true,
  normalize: true,
  network: true,
  hidden: true,
  width: true,
  epochs: true,
  learningRate: true,
  augment: true,
  l1: true,
  examples: true,
  ratios: true,
  methods: true,
  seeds: true,
  calibration: true,
  budget: true,
  baselineRate: true,
  weightScales: true,
  rowNorms: true,
  scoreL2: true,
  rounds: true,
  quick: true,
  seed: true,
  backend: true,
  threads: true,
};

test('the typed options are those of the command line', () => {
  expect([...analyzeOptionNames, ...resumeOptionNames].sort()).toEqual(Object.keys(analyzeNames).sort());
  expect([...pruneOptionNames].sort()).toEqual(Object.keys(pruneNames).sort());
  expect([...studyOptionNames].sort()).toEqual(Object.keys(studyNames).sort());
});

test('study says what is wrong with its options', async () => {
  await expect(study({ name: 'pruner' as never, output: 'o' })).rejects.toMatchObject({
    code: 'usage/study',
    message: expect.stringContaining('did you mean "pruners"?'),
  });
  await expect(study({ name: 'pruners', output: 'o', ratio: [0.5] } as never)).rejects.toMatchObject({
    code: 'usage/unknown-option',
  });
  await expect(study({ name: 'pruners', output: 'o' })).rejects.toMatchObject({ code: 'usage/no-data' });
});
