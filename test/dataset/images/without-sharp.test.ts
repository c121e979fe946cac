import { expect, it, vi } from 'vitest';
import { readDataset } from '../../../src/dataset/registry.js';
import { directoryWith, expectInputError } from '../support.js';
import { png } from './pictures.js';

vi.mock('sharp', () => {
  throw new Error("Cannot find package 'sharp'");
});

it('says the command that adds the decoder where it is absent', async () => {
  const directory = directoryWith({ 'a/1.png': png(1, 1, 0, [1]), 'b/1.png': png(1, 1, 0, [2]) });
  await expectInputError(() => readDataset(directory), 'dataset/no-image-decoder', /npm install sharp/);
  expect((await readDataset(directoryWith({ 'train.csv': 'a,y\n1,0\n' }))).format).toBe('csv');
});
