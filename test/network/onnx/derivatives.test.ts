import { describe, expect, it } from 'vitest';
import { prepareBackend } from '../../../src/compute/backend.js';
import { curvatureOperator, lossGradient } from '../../../src/curvature/products.js';
import { createNetwork } from '../../../src/network/create-network.js';
import { createBatches } from '../../../src/programs/batches.js';
import { balancedDirection, differencesOfLoss } from '../../support/differences.js';
import { randomExamples } from '../../support/models.js';
import { onnxCheckpoint } from '../../support/onnx-models.js';
import type { SeededProblem } from '../../support/problems.js';
import { dot, expectClose, norm } from '../../support/vectors.js';
import { backendCases, derivativeCases } from './cases.js';

/** Relative error that float32 derivatives and differences must stay below. */
const TOLERANCE = 1e-3;

describe.each([
  { backend: 'wasm', cases: derivativeCases },
  { backend: 'cpu', cases: backendCases },
] as const)('derivatives agree with finite differences on $backend', ({ backend, cases }) => {
  it.each(cases)('$name', async ({ sketch }) => {
    await prepareBackend(backend);
    const checkpoint = onnxCheckpoint(sketch);
    const network = await createNetwork(checkpoint);
    const shape = sketch.input.slice(1) as number[];
    const { outputs } = network;
    const source = randomExamples({ count: 4, shape, outputs, targets: 'one-hot', seed: 3 });
    const batches = createBatches(source, outputs, { batchSize: 3, keepBytes: 2 ** 24 });
    const problem = { network, loss: 'cross-entropy', batches } as unknown as SeededProblem;
    const operator = curvatureOperator(problem, 'hessian');
    try {
      const v = balancedDirection(problem, 7);
      const { gradient } = await lossGradient(problem, network.weights);
      const product = await operator.apply(v);
      const differences = await differencesOfLoss(problem, v);
      const slopeError = Math.abs(differences.slope - dot(gradient, v)) / (norm(gradient) * norm(v));
      expect(slopeError, 'gradient').toBeLessThan(TOLERANCE);
      expect(norm(product), 'a product that is not 0').toBeGreaterThan(1e-4);
      expectClose(product, differences.product, TOLERANCE, { label: 'Hessian product' });
    } finally {
      operator.dispose();
      batches.dispose();
      network.dispose();
    }
  });
});
