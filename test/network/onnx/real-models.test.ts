import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../../src/checkpoint/registry.js';
import { prepareBackend } from '../../../src/compute/backend.js';
import { createNetwork } from '../../../src/network/create-network.js';
import { distance, normalInputs, outputOf } from './support.js';

const models = fileURLToPath(new URL('../../../../shared/models', import.meta.url));

beforeAll(async () => {
  await prepareBackend('wasm');
});

/** Images with channels last as images with channels first. */
function channelsFirst(images: Float32Array, [count, height, width, channels]: number[]): Float32Array {
  const moved = new Float32Array(images.length);
  for (let position = 0; position < images.length; position++) {
    const channel = position % channels;
    const pixel = Math.floor(position / channels);
    const image = Math.floor(pixel / (height * width));
    moved[(image * channels + channel) * height * width + (pixel % (height * width))] = images[position];
  }
  expect(count * height * width * channels).toBe(images.length);
  return moved;
}

const present = existsSync(models);
if (!present) {
  console.warn('skipped: published models are not at ../shared/models beside the repository');
}

describe.skipIf(!present)('models trained elsewhere', () => {
  it.each([
    ['mlpnet/mlpnet.onnx', 'mlpnet/model.json'],
    ['resnet20/resnet20.onnx', 'resnet20/model.json'],
    ['resnet20/resnet20-bn-folded.onnx', 'resnet20/model.json'],
  ])('%s gives the logits of %s', async (onnx, json) => {
    const network = await createNetwork(await readCheckpoint(`${models}/${onnx}`));
    const layers = await createNetwork(await readCheckpoint(`${models}/${json}`));
    try {
      const shape = [4, ...(layers.inputShape as number[])];
      const inputs = normalInputs(shape, 1);
      const ownShape = [4, ...(network.inputShape as number[])];
      const own = shape.length === 4 ? channelsFirst(inputs, shape) : inputs;
      expect(distance(outputOf(network, own, ownShape), outputOf(layers, inputs, shape))).toBeLessThan(2e-5);
      expect(network.dimension).toBe(layers.dimension);
    } finally {
      network.dispose();
      layers.dispose();
    }
  });
});
