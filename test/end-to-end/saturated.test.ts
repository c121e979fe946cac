import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseReport } from '../../src/report/parse-report.js';
import { hasNative } from '../compute/compile/support.js';
import { analyzed, dense, newFolder, quick, runReal, writeCsv, writeModel } from './support.js';

const backends = ['wasm', 'cpu', ...(hasNative ? ['onnx'] : [])];

/** A hidden layer of tanh, and a last one that adds it up, scaled. */
function writeNetwork(lastActivation: string, outputs: number, scale: number): string {
  const kernel = [1, -0.5, 0.25, 0.5, 1, -1];
  const last = Array.from({ length: 2 * outputs }, (_, i) => scale * [1, -1, -0.6, 0.8][i % 4]);
  return writeModel(
    [dense('hidden', 2, 'tanh', 3), dense('out', outputs, lastActivation)],
    [
      { name: 'hidden/kernel', shape: [3, 2], values: kernel },
      { name: 'hidden/bias', shape: [2], values: [0, 0] },
      { name: 'out/kernel', shape: [2, outputs], values: last },
      { name: 'out/bias', shape: [outputs], values: Array(outputs).fill(0) },
    ],
  );
}

/** What {@link writeNetwork} computes before its last activation, in float64. */
function outputsOf([a, b, c]: number[], outputs: number, scale: number): number[] {
  const hidden = [Math.tanh(a + 0.25 * b + c), Math.tanh(-0.5 * a + 0.5 * b - c)];
  return Array.from({ length: outputs }, (_, k) =>
    hidden.reduce((sum, h, i) => sum + h * scale * [1, -1, -0.6, 0.8][(i * outputs + k) % 4], 0),
  );
}

/** Of the Hessian 2 J'J / n of a fitted {@link writeNetwork} with one output and scale 2, by power iteration. */
function largestEigenvalue(inputs: number[][]): number {
  const rows = inputs.map((x) => {
    const hidden = [Math.tanh(x[0] + 0.25 * x[1] + x[2]), Math.tanh(-0.5 * x[0] + 0.5 * x[1] - x[2])];
    const slopes = [2 * (1 - hidden[0] ** 2), -2 * (1 - hidden[1] ** 2)];
    return [...x.flatMap((value) => slopes.map((slope) => slope * value)), ...hidden];
  });
  let vector = Array(8).fill(1);
  let norm = 0;
  for (let i = 0; i < 500; i++) {
    const image = Array(8).fill(0);
    for (const row of rows) {
      const along = row.reduce((sum, value, k) => sum + value * vector[k], 0);
      row.forEach((value, k) => {
        image[k] += (2 * along * value) / rows.length;
      });
    }
    norm = Math.hypot(...image);
    vector = image.map((value) => value / norm);
  }
  return norm;
}

const argMax = (values: number[]): number => values.indexOf(Math.max(...values));

describe.each(backends)('networks that leave little of their derivatives, on %s', (backend) => {
  const options = [...quick, '--backend', backend, '--epsilon', '0.01'];

  it('a regression that fits up to the rounding of float32', async () => {
    const inputs: number[][] = [];
    const data = writeCsv((x) => {
      inputs.push(x);
      return String(outputsOf(x, 1, 2)[0]);
    });
    const report = await analyzed(writeNetwork('linear', 1, 2), '--data', data, '--loss', 'mse', ...options);
    expect(report.loss.value).toBeLessThan(1e-12);
    expect(report.selfCheck.relativeError).toBeLessThan(report.selfCheck.tolerance);
    expect(report.engine.backend).toBe(backend);
    expect(report.curvature.lambdaMax / largestEigenvalue(inputs)).toBeCloseTo(1, 4);
    expect(report.limits.slice.pruned).toBeGreaterThan(0);
  });

  it.each([
    { scale: 1000, wrong: 0.1 },
    { scale: 1e4, wrong: 0.1 },
    { scale: 1e4, wrong: 0 },
    { scale: 1e30, wrong: 0.1 },
  ])('a softmax over logits of $scale, $wrong of the examples wrong', async ({ scale, wrong }) => {
    let row = 0;
    let expected = 0;
    const data = writeCsv((x) => {
      const z = outputsOf(x, 2, scale);
      const right = argMax(z);
      const label = row++ % 10 < 10 * wrong ? 1 - right : right;
      expected +=
        Math.log1p(Math.exp(-Math.abs(z[0] - z[1]))) + (label === right ? 0 : Math.abs(z[0] - z[1]));
      return String(label);
    });
    const report = await analyzed(writeNetwork('softmax', 2, scale), '--data', data, ...options);
    // Where all are right, the loss is an exponential of logits that float32 knows to scale / 2^24.
    const allowed = wrong > 0 ? 1e-5 : (4 * scale) / 2 ** 24;
    expect(Math.abs(report.loss.value / (expected / row) - 1)).toBeLessThan(allowed);
    expect(report.accuracy!.train).toBeCloseTo(1 - wrong, 9);
    expect(report.selfCheck.relativeError).toBeLessThan(report.selfCheck.tolerance);
    expect(report.engine.backend).toBe(backend);
    expect(Number.isFinite(report.curvature.trace)).toBe(true);
  });

  it('a sigmoid of logits of 1000', async () => {
    let row = 0;
    const data = writeCsv((x) => String(Number(outputsOf(x, 1, 1000)[0] > 0 !== (row++ % 10 === 0))));
    const report = await analyzed(writeNetwork('sigmoid', 1, 1000), '--data', data, ...options);
    expect(report.loss).toMatchObject({ name: 'binary-cross-entropy' });
    expect(report.loss.value).toBeGreaterThan(10);
    expect(report.selfCheck.relativeError).toBeLessThan(report.selfCheck.tolerance);
    expect(report.engine.backend).toBe(backend);
  });
});

describe('what a report says of its self-check', () => {
  const OTHER_WEIGHTS = 'at other weights, as rounding hides the derivatives at the trained ones';

  it.each([
    { fit: 'a perfect one, losses of 1e-33', scale: 1e4, wrong: false, hidden: true },
    { fit: 'one with wrong examples', scale: 1e4, wrong: true, hidden: false },
  ])('of a fit, $fit', async ({ scale, wrong, hidden }) => {
    let row = 0;
    const data = writeCsv((x) => {
      const right = argMax(outputsOf(x, 2, scale));
      return String(wrong && row++ % 10 === 0 ? 1 - right : right);
    });
    const written = join(newFolder(), 'report.json');
    const { exitCode, stdout } = await runReal(
      ...['analyze', writeNetwork('softmax', 2, scale), '--data', data, ...quick],
      ...['--epsilon', '0.01', '--json', written],
    );
    expect(exitCode).toBe(0);
    const { selfCheck, loss } = parseReport(readFileSync(written, 'utf8'), written);
    expect(loss.value < 1e-30).toBe(hidden);
    expect(selfCheck.trainedResolution > selfCheck.tolerance).toBe(hidden);
    expect(selfCheck.resolution).toBeLessThan(selfCheck.tolerance);
    expect(stdout.replace(/\s+/g, ' ').includes(OTHER_WEIGHTS)).toBe(hidden);
    expect(stdout).toContain('self-check');
  });
});
