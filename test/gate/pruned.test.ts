import { describe, expect, it } from 'vitest';
import { prunedFindings } from '../../src/gate/pruned.js';
import { type GateTexts, judgeGates, readGates, requirePruned } from '../../src/gate/run-gates.js';
import { gateReportSchema, gateSubjectJsonSchema } from '../../src/gate/schema.js';
import { countZeros } from '../../src/pruned-model.js';
import { sampleReport, unresolvedReport } from '../report/sample-report.js';

// Limits of the sample: slice 0.8812, Gaussian width 0.9317 in [0.9284, 0.9342]; its loss is 0.19861.
const measured = { path: 'p.onnx', weights: 1000, zeros: 800, loss: 0.29861, accuracy: 0.95 };

function judge(texts: GateTexts, of: Partial<typeof measured> = {}, report = sampleReport()) {
  const pruned = prunedFindings(report, { ...measured, ...of });
  const subject = { report, source: 'r.json', pruned };
  return gateReportSchema.parse(
    judgeGates(readGates(texts, 'error'), subject, null, 'fail', gateSubjectJsonSchema()),
  );
}

describe('a compressed network', () => {
  it.each([
    ['sparsity >= 80%', 'pass'],
    ['sparsity > 0.8', 'fail'],
    ['headroom >= 0', 'pass'],
    ['headroom >= 8.2 points', 'fail'],
    ['headroom >= 8.1 points', 'pass'],
    ['pruned.gaussianWidth.headroom >= 0.12', 'pass'],
    ['pruned.gaussianWidth.headroom >= 0.13', 'inconclusive'],
    ['pruned.gaussianWidth.headroom >= 0.14', 'fail'],
    ['pruned.sharp.headroom >= 0.16', 'pass'],
    ['pruned.lossIncrease <= 0.1001', 'pass'],
    ['pruned.lossIncrease <= 0.0999', 'fail'],
    ['pruned.loss <= 0.3', 'pass'],
    ['pruned.accuracy >= 95%', 'pass'],
    ['accuracy >= 0.9', 'pass'],
  ])('%s: %s', (text, verdict) => {
    expect(judge({ require: [text] }).verdict).toBe(verdict);
  });

  it('has no headroom beyond the limit', () => {
    const { pruned, verdict } = judge({ require: ['headroom >= 0'] }, { zeros: 900 });
    expect(verdict).toBe('fail');
    expect(pruned?.headroom).toBeCloseTo(-0.0188, 10);
  });

  it('has an unresolved headroom to an unresolved limit', () => {
    const { gates } = judge(
      { require: ['pruned.gaussianWidth.headroom >= -1'] },
      { zeros: 100 },
      unresolvedReport(),
    );
    expect(gates[0]).toMatchObject({ verdict: 'inconclusive', settled: false });
  });

  it.each([NaN, Infinity])('never passes a bound on its loss where that is %d', (loss) => {
    expect(judge({ require: ['sparsity >= 0'] }, { loss }).pruned).toMatchObject({
      loss: null,
      lossIncrease: null,
    });
    expect(() => judge({ require: ['pruned.loss <= 9'] }, { loss })).toThrow('pruned.loss is not known');
  });

  it('is needed by gates on it, and has none in a baseline', () => {
    const gates = readGates({ require: ['slice >= 0', 'headroom >= 0'] }, 'error');
    expect(() => requirePruned(gates, false)).toThrow('name it with --pruned FILE');
    expect(() => requirePruned(gates, true)).not.toThrow();
    expect(() => requirePruned(readGates({ maxDrop: ['sparsity 1 point'] }, 'error'), true)).toThrow(
      'a baseline holds no compressed model',
    );
  });
});

describe('zeros of a compressed network', () => {
  const weight = (name: string, shape: number[], offset: number) => ({
    name,
    checkpointName: name,
    shape,
    offset,
    size: shape.reduce((product, size) => product * size, 1),
  });
  const dense = { prunable: [weight('a/kernel', [2, 2], 0), weight('b/kernel', [2, 1], 4)] };
  const all = () => true;

  it('are counted by name, in whatever order, -0 too', () => {
    const pruned = {
      prunable: [weight('b/kernel', [2, 1], 0), weight('a/kernel', [2, 2], 2)],
      weights: Float32Array.of(0, 1, 0, 0, -0, 2),
    };
    expect(countZeros(dense, pruned, all, 'p')).toEqual({ weights: 6, zeros: 4 });
    expect(countZeros(dense, pruned, (name) => name === 'a/kernel', 'p')).toEqual({ weights: 4, zeros: 3 });
  });

  it.each([
    [[weight('a/kernel', [2, 2], 0)], 'has no weight b/kernel'],
    [[weight('a/kernel', [4, 1], 0), weight('b/kernel', [2, 1], 4)], 'a/kernel has shape [4, 1]'],
    [
      [weight('a/kernel', [2, 2], 0), weight('b/kernel', [2, 1], 4), weight('c/kernel', [1, 1], 6)],
      'has a weight c/kernel that the dense model lacks',
    ],
  ])('are refused for another network, by name', (prunable, message) => {
    const pruned = { prunable, weights: new Float32Array(7).fill(1) };
    expect(() => countZeros(dense, pruned, all, 'p.onnx')).toThrow(message);
  });
});
