import { describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { curvatureOperator, lossGradient } from '../../src/curvature/products.js';
import { LOSS_NAMES } from '../../src/network/loss.js';
import type { CurvatureKind } from '../../src/programs/curvature-products.js';
import { balancedDirection, differencesOfLoss, gaussNewtonForms } from '../support/differences.js';
import {
  ACTIVATIONS,
  dilatedCases,
  imageCases,
  mlpCase,
  sequenceCases,
  upsamplingCases,
} from '../support/network-cases.js';
import { type ModelCase, type SeededProblem, withProblem } from '../support/problems.js';
import { dot, expectClose, norm } from '../support/vectors.js';

/** Relative error that float32 derivatives and differences must stay below. */
const TOLERANCE = 1e-3;

async function productOf(
  problem: SeededProblem,
  kind: CurvatureKind,
  vector: Float64Array,
): Promise<Float64Array> {
  const operator = curvatureOperator(problem, kind);
  try {
    return await operator.apply(vector);
  } finally {
    operator.dispose();
  }
}

/** Gradient, Hessian product and Gauss-Newton product of a case against finite differences. */
async function expectDerivativesMatchDifferences(problem: SeededProblem, seed: number): Promise<void> {
  const { network, nameOf } = problem;
  const v = balancedDirection(problem, seed);
  const { gradient } = await lossGradient(problem, network.weights);
  const hessianProduct = await productOf(problem, 'hessian', v);
  const differences = await differencesOfLoss(problem, v);
  expect(
    Math.abs(differences.slope - dot(gradient, v)) / (norm(gradient) * norm(v)),
    'gradient',
  ).toBeLessThan(TOLERANCE);
  expect(norm(hessianProduct), 'a product that is not 0').toBeGreaterThan(1e-4);
  expectClose(hessianProduct, differences.product, TOLERANCE, { label: 'Hessian product', nameOf });

  const others = [v, balancedDirection(problem, seed + 100), balancedDirection(problem, seed + 200)];
  const gaussNewtonProduct = await productOf(problem, 'ggn', v);
  const forms = await gaussNewtonForms(problem, others);
  others.forEach((u, i) => {
    const scale = Math.sqrt(forms[0][0] * forms[i][i]);
    const error = Math.abs(dot(u, gaussNewtonProduct) - forms[i][0]) / scale;
    expect(error, `Gauss-Newton form of direction ${i}`).toBeLessThan(TOLERANCE);
  });
}

const activationCases = ACTIVATIONS.map((activation) => mlpCase(activation));
const lossCases = (['tanh', 'relu', 'softplus'] as const).flatMap((activation) =>
  LOSS_NAMES.filter((loss) => loss !== 'cross-entropy').map((loss) => mlpCase(activation, loss)),
);
const everyCase: ModelCase[] = [...activationCases, ...lossCases, ...imageCases, ...sequenceCases];

describe.each([
  { backend: 'wasm', seed: 1, cases: [...everyCase, ...upsamplingCases] },
  { backend: 'cpu', seed: 2, cases: everyCase },
] as const)('derivatives agree with finite differences on $backend', ({ backend, seed, cases }) => {
  it.each(cases)('$name', async (modelCase) => {
    await prepareBackend(backend);
    await withProblem(modelCase, { seed }, (problem) => expectDerivativesMatchDifferences(problem, seed));
  });

  it.each(dilatedCases)('$name is refused, not silently wrong', async (modelCase) => {
    await prepareBackend(backend);
    await withProblem(modelCase, { seed }, async (problem) => {
      await expect(lossGradient(problem, problem.network.weights)).rejects.toThrow(/dilation/);
    });
  });
});
