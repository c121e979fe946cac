import { beforeAll, describe, it } from 'vitest';
import { prepareBackend } from '../../../src/compute/backend.js';
import { onnxExecutor } from '../../../src/compute/compile/onnx-executor.js';
import type { ProgramPlans } from '../../../src/compute/executor.js';
import { PRODUCT_PLANS, type ProductPlanName, planProducts } from '../../../src/curvature/product-plan.js';
import {
  curvatureOperator,
  type LossProblem,
  plannedCurvatureOperator,
} from '../../../src/curvature/products.js';
import { createBatches } from '../../../src/programs/batches.js';
import { productProgram, vectorInputs } from '../../../src/programs/loss-programs.js';
import { hasNative, native } from '../../compute/compile/support.js';
import { randomExamples } from '../../support/models.js';
import { integerTensor, type ModelSketch, normalWeight } from '../../support/onnx-models.js';
import { expectClose, normalVector } from '../../support/vectors.js';
import { compiledCases } from './cases.js';
import type { NetworkCase } from './image-case.js';
import { withOnnxNetwork } from './support.js';

/** Relative difference that rounding to float32 in another order stays below. */
const TOLERANCE = 1e-4;
/** Batches of 3 and 2. */
const SIZES = { examples: 5, batchSize: 3 };

beforeAll(async () => {
  await prepareBackend('wasm');
});

async function expectProductsAgree(
  { sketch }: Pick<NetworkCase, 'sketch'>,
  asked: ProductPlanName | 'auto' = 'auto',
): Promise<void> {
  await withOnnxNetwork(sketch, async (network) => {
    const shape = sketch.input.slice(1) as number[];
    const source = randomExamples({
      count: SIZES.examples,
      shape,
      outputs: network.outputs,
      targets: 'one-hot',
      seed: 2,
    });
    const batches = createBatches(source, network.outputs, { batchSize: SIZES.batchSize, keepBytes: 1e8 });
    const problem: LossProblem = { network, loss: 'cross-entropy', batches };
    const executor = onnxExecutor(native);
    const compiledBatches = createBatches(source, network.outputs, {
      batchSize: SIZES.batchSize,
      keepBytes: 1e8,
      executor,
    });
    const eager = curvatureOperator(problem, 'hessian');
    const product = await executor.prepare(productProgram(network, 'cross-entropy', 'hessian', source));
    const demand = { ...SIZES, cacheBytes: 1e8, workingBytes: 1e8, vectors: 1 };
    const plan = planProducts(product.plans as ProgramPlans, vectorInputs(network), demand, asked);
    const compiled = await plannedCurvatureOperator(
      { ...problem, batches: compiledBatches },
      'hessian',
      product,
      plan,
    );
    try {
      const vector = normalVector(network.dimension, 1);
      expectClose(await compiled.apply(vector), await eager.apply(vector), TOLERANCE, { label: 'product' });
    } finally {
      compiled.dispose();
      eager.dispose();
      batches.dispose();
    }
  });
}

describe.skipIf(!hasNative)('compiled Hessian products are those of tfjs', () => {
  it.each(compiledCases)('$name', (networkCase) => expectProductsAgree(networkCase));
});

/** Two layers with biases behind an input that is only rearranged: what is kept of a batch is that input, too. */
function behindReshape(flatten: 'Flatten' | 'Reshape', activation: string): ModelSketch {
  return {
    input: [null, 2, 3],
    nodes: [
      { op: flatten, inputs: flatten === 'Flatten' ? ['input'] : ['input', 'shape'], outputs: ['f'] },
      { op: 'Gemm', inputs: ['f', 'w', 'b'], outputs: ['h'], attributes: { transB: 1 } },
      { op: activation, inputs: ['h'], outputs: ['a'] },
      { op: 'Gemm', inputs: ['a', 'v', 'c'], outputs: ['y'], attributes: { transB: 1 } },
    ],
    weights: {
      w: normalWeight([5, 6], 1),
      b: normalWeight([5], 2),
      v: normalWeight([4, 5], 3),
      c: normalWeight([4], 4),
    },
    constants: { shape: integerTensor([-1, 6]) },
  };
}

const behindReshapeCases = (['Flatten', 'Reshape'] as const).flatMap((flatten) =>
  ['Tanh', 'Sigmoid'].flatMap((activation) =>
    PRODUCT_PLANS.map((plan) => [flatten, activation, plan] as const),
  ),
);

describe.skipIf(!hasNative)('a rearranged input compiles under every plan', () => {
  it.each(behindReshapeCases)('%s, %s, %s', (flatten, activation, plan) =>
    expectProductsAgree({ sketch: behindReshape(flatten, activation) }, plan),
  );
});
