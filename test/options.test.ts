import { expect, test } from 'vitest';
import { analyzeOptionNames, pruneOptionNames } from '../src/cli/option-names.js';
import type { AnalyzeOptions, PruneOptions } from '../src/index.js';

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
  dumpGraph: true,
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

test('the typed options are those of the command line', () => {
  expect([...analyzeOptionNames].sort()).toEqual(Object.keys(analyzeNames).sort());
  expect([...pruneOptionNames].sort()).toEqual(Object.keys(pruneNames).sort());
});
