import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { checkDerivatives, SELF_CHECK_TOLERANCE, type SelfCheck } from '../curvature/self-check.js';
import { InputError } from '../errors.js';
import { describeNetwork } from '../network/create-network.js';
import { createBatches } from '../programs/batches.js';
import { evaluate } from '../programs/evaluation.js';
import { silentProgress } from '../progress.js';
import { randomStream } from '../random.js';
import { evaluateDense } from './epsilon.js';
import type { Problem } from './problem.js';

/** Examples of a forward pass that looks for a loss that is not finite; small, as memory is not measured yet. */
const SEARCH_BATCH = 32;

function unsupported(error: unknown): InputError | null {
  const message = error instanceof Error ? error.message : '';
  const known =
    /Error in gradient|gradient function not found|Cannot find registered kernel|channels-last|not yet supported/;
  return known.test(message)
    ? new InputError(
        'analysis/unsupported-layer',
        `this model uses an operation that has no second derivative here: ${message.split('\n')[0]}`,
        { cause: error },
      )
    : null;
}

/**
 * Checks gradient and curvature of this very network against finite
 * differences, so that no number is ever printed from wrong derivatives.
 *
 * @throws InputError when they disagree, or when a layer has none
 */
export async function requireRightDerivatives(
  problem: Problem,
  checkpoint: Checkpoint,
  seed: number,
): Promise<SelfCheck> {
  const check = await checkDerivatives(
    problem.network,
    problem.loss,
    problem.train,
    randomStream(seed, 'self-check'),
  ).catch((error: unknown) => {
    throw unsupported(error) ?? error;
  });
  const operations = async (): Promise<string> => (await describeNetwork(checkpoint)).operations.join(', ');
  const worst = Math.max(check.productError, check.gradientError);
  if (Number.isNaN(worst)) {
    // A loss that is not finite has no derivatives; then that is what is wrong.
    const batches = createBatches(problem.train, problem.network.outputs, {
      batchSize: SEARCH_BATCH,
      keepBytes: 0,
    });
    const { network, loss } = problem;
    const evaluator = {
      examples: batches.examples,
      at: (weights: Float32Array | Float64Array) => evaluate(network, loss, batches, weights),
    };
    await evaluateDense(evaluator, network.weights, 'training examples', silentProgress);
    throw new InputError(
      'analysis/self-check',
      `the derivatives of this model are not finite at its weights although its loss is: something overflows float32; operations: ${await operations()}`,
    );
  }
  if (!(worst <= SELF_CHECK_TOLERANCE)) {
    throw new InputError(
      'analysis/self-check',
      `the derivatives of this model disagree with finite differences (gradient ${check.gradientError.toExponential(1)}, Hessian product ${check.productError.toExponential(1)}, tolerance ${SELF_CHECK_TOLERANCE}), so no number would be right; a likely cause is one of its operations: ${await operations()}`,
    );
  }
  return check;
}
