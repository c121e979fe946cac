/** What is refused says what helps. */
import { beforeAll, describe, expect, it } from 'vitest';
import { readOnnx } from '../../../src/checkpoint/onnx/reader.js';
import { prepareBackend } from '../../../src/compute/backend.js';
import { createNetwork } from '../../../src/network/create-network.js';
import { directoryOf } from '../../checkpoint/fixtures.js';
import { encodeModel } from '../../support/onnx-files.js';
import { normalWeight, onnxCheckpoint } from '../../support/onnx-models.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

async function messageOf(op: string, domain = '', inputs = ['z']): Promise<string> {
  const checkpoint = onnxCheckpoint({
    input: [null, 4],
    nodes: [
      { op: 'MatMul', inputs: ['input', 'w'], outputs: ['z'] },
      { op, inputs, outputs: ['y'], domain },
    ],
    weights: { w: normalWeight([4, 3], 1) },
  });
  const error = await createNetwork(checkpoint).then(
    () => null,
    (thrown: Error) => thrown,
  );
  return error?.message ?? '';
}

describe('an operator that is not supported', () => {
  it.each([
    ['Loop', '', /simplify the model with onnxsim/],
    ['If', '', /simplify the model with onnxsim/],
    ['SequenceAt', '', /simplify the model with onnxsim/],
    ['QLinearMatMul', '', /analyse the float model/],
    ['ConvInteger', '', /analyse the float model/],
    ['DynamicQuantizeLinear', '', /analyse the float model/],
    ['MatMulNBits', 'com.microsoft', /analyse the float model/],
    ['FusedConv', 'com.microsoft', /before ONNX Runtime optimised it/],
    ['LSTM', '', /LayersModels/],
    ['RandomNormalLike', '', /inference mode/],
    ['TreeEnsembleClassifier', 'ai.onnx.ml', /neural network alone/],
    ['aten_foo', 'pkg.onnxscript.torch_lib', /standard operators, or with the function/],
    ['TopK', '', /simplify it with onnxsim/],
  ])('%s %s', async (op, domain, help) => {
    expect(await messageOf(op, domain)).toMatch(help);
  });

  it('is named shortly', async () => {
    const checkpoint = onnxCheckpoint({
      input: [null, 4],
      nodes: [{ op: 'TopK', inputs: ['input'], outputs: ['y'] }],
    });
    const nodes = checkpoint.graph.nodes.map((node) => ({ ...node, name: `${'module/'.repeat(60)}end` }));
    const named = { ...checkpoint, graph: { ...checkpoint.graph, nodes } };
    const error = await createNetwork(named).catch((thrown: Error) => thrown);
    expect((error as Error).message).toMatch(/node "\.\.\..*module\/end"/);
    expect((error as Error).message.length).toBeLessThan(300);
  });
});

it('weights of four bits', async () => {
  const folder = directoryOf({
    'a.onnx': encodeModel({
      initializers: [{ name: 'w', shape: [2], fields: { dataType: 22, rawData: Uint8Array.of(1) } }],
    }),
  });
  await expect(readOnnx(`${folder}/a.onnx`)).rejects.toMatchObject({
    code: 'checkpoint/unsupported-dtype',
    message: expect.stringMatching(/"w" has elements of type int4; .*analyse the float model/),
  });
});
