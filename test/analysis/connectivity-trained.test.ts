import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { readCheckpoint } from '../../src/checkpoint/registry.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { expectPositiveWhereConnected, limitOf, withNetwork, withoutShifts } from './connectivity-support.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

describe('trained networks', () => {
  const fixture = (name: string): string =>
    fileURLToPath(new URL(`../../fixtures/${name}/model.json`, import.meta.url));
  const shared = (name: string): string =>
    fileURLToPath(new URL(`../../../shared/models/${name}`, import.meta.url));
  const present = existsSync(shared(''));

  async function expectConnectedTo(path: string, prunedCount: number) {
    const checkpoint = (await readCheckpoint(path)) as LayersCheckpoint;
    const shape = await withNetwork(checkpoint, (network) => network.inputShape as number[]);
    expect(await withNetwork(checkpoint, (network) => limitOf(network, shape))).toMatchObject({
      prunedCount,
      exact: true,
      connectedWhenDense: true,
    });
    withoutShifts(checkpoint.weights);
    await withNetwork(checkpoint, (network) => expectPositiveWhereConnected(network, shape));
  }

  it.each([
    ['mnist-lomp', 265_982],
    ['mnist-dense', 266_010],
  ])('%s', (name, prunedCount) => expectConnectedTo(fixture(name), prunedCount));

  // At 99.91 %, the sharp limit of its quadratic model, MLPNet keeps 31 weights and no path.
  it.skipIf(!present)('MLPNet', () => expectConnectedTo(shared('mlpnet/model.json'), 31_950));

  it.skipIf(!present)('ResNet20, whose shortcuts have no weights', () =>
    expectConnectedTo(shared('resnet20/model.json'), 267_943),
  );

  it.skipIf(!present)('one network in two formats', async () => {
    const limits = await Promise.all(
      ['resnet20/model.json', 'resnet20/resnet20.onnx'].map(async (name) =>
        withNetwork(await readCheckpoint(shared(name)), (network) =>
          limitOf(network, network.inputShape as number[]),
        ),
      ),
    );
    expect(limits[1].prunedCount).toBe(limits[0].prunedCount);
  });
});
