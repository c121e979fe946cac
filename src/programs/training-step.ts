import { collect, numbered, type Program } from '../compute/tensor-program.js';
import { exampleLosses, type LossName } from '../network/loss.js';
import type { TrainableNetwork } from '../network/trainable-network.js';
import {
  add,
  clipByValue,
  clone,
  div,
  keep,
  mul,
  sign,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  valueAndGrads,
} from '../tfjs-core.js';

/** What a training step is made of; numbers that change during a run are inputs of the program instead. */
export interface TrainingStepOptions {
  loss: LossName;
  /** Share of the targets that is spread evenly over the outputs (Szegedy et al. 2016, section 7). */
  labelSmoothing: number;
  optimizer: 'sgd' | 'adam';
  /** Looks ahead along the velocity, as in Sutskever et al. 2013 in the form of PyTorch; `sgd` only. */
  nesterov: boolean;
  /** Whether there is a penalty l1 sum |w|, and on which weights. */
  l1: boolean;
  l1On: 'kernels' | 'all';
  /** Whether there is a penalty l2/2 sum w^2 over prunable kernels. */
  l2: boolean;
  /** Whether there is one like it over all trainable weights. */
  weightDecay: boolean;
  /** Whether prunable kernels are multiplied by masks after each step. */
  masked: boolean;
  /** Whether prunable kernels are clamped to [0, 1] after each step, as scores are; left out: not. */
  clamped?: boolean;
}

/** Decay of Adam's second moments, and what keeps its quotient finite (Kingma & Ba 2015). */
export const ADAM_SECOND_DECAY = 0.999;
const ADAM_EPSILON = 1e-8;

/** Scalar inputs of a training step, by name. */
export interface StepScalars {
  /** 1 / examples of the batch. */
  inverseBatch: number;
  /** Learning rate; for Adam divided by 1 - momentum^t. */
  rate: number;
  /** For Adam the decay of the first moments. */
  momentum: number;
  l1: number;
  l2: number;
  weightDecay: number;
  /** For Adam 1 / sqrt(1 - 0.999^t). */
  secondScale: number;
}

/** The scalar inputs that a training step reads. */
export function scalarInputs(options: TrainingStepOptions): (keyof StepScalars)[] {
  return [
    'inverseBatch',
    'rate',
    'momentum',
    ...(options.l1 ? (['l1'] as const) : []),
    ...(options.l2 ? (['l2'] as const) : []),
    ...(options.weightDecay ? (['weightDecay'] as const) : []),
    ...(options.optimizer === 'adam' ? (['secondScale'] as const) : []),
  ];
}

/** Positions of the prunable weights among the trainable ones: each has a mask of its position. */
export function maskedWeights(network: TrainableNetwork, options: TrainingStepOptions): number[] {
  return options.masked ? network.weights.flatMap(({ prunable }, index) => (prunable ? [index] : [])) : [];
}

/** Gradient of the penalised loss: g + l1 sign(w) + l2 w, with sign(0) = 0 as the subgradient. */
function penalizedGradient(
  weight: Tensor,
  prunable: boolean,
  gradient: Tensor,
  options: TrainingStepOptions,
  inputs: Readonly<Record<string, Tensor>>,
): Tensor {
  let total = gradient;
  if (options.l1 && (prunable || options.l1On === 'all')) {
    total = add(total, mul(sign(weight), inputs.l1));
  }
  if (options.l2 && prunable) {
    total = add(total, mul(weight, inputs.l2));
  }
  return options.weightDecay ? add(total, mul(weight, inputs.weightDecay)) : total;
}

/**
 * One step of training as a tensor program.
 *
 * Inputs: a batch `x` and its targets `y`; the trainable weights `w0`, `w1`,
 * ..; their velocities `v0`, .. (for Adam first moments, and second moments
 * `a0`, ..); moving statistics `s0`, .. of batch normalisations; masks of
 * dropout `d0`, ..; masks `m` of pruning, numbered as the weights
 * ({@link maskedWeights}); and the scalars of {@link scalarInputs}.
 *
 * Outputs: `losses` [examples] without penalties, `logits`, the new weights
 * `nw0`, .., velocities `nv0`, .., second moments `na0`, .. and statistics
 * `ns0`, ...
 *
 * The update, with gradient g of the penalised mean loss:
 *
 * - `sgd` (Polyak 1964, in the form of PyTorch): v' = momentum v + g; w' = (w - rate v') m, or with Nesterov's look
 *   ahead w' = (w - rate (g + momentum v')) m;
 * - `adam` (Kingma & Ba 2015): v' = momentum v + (1 - momentum) g; a' = 0.999 a + 0.001 g^2; w' = (w - rate v' /
 *   (sqrt(a') secondScale + 1e-8)) m, in which rate and secondScale hold the corrections of the bias.
 *
 * Where kernels are clamped, this is before the mask.
 */
export function trainingStep(network: TrainableNetwork, options: TrainingStepOptions): Program {
  const count = network.weights.length;
  const masked = new Set(maskedWeights(network, options));
  return (inputs) => {
    const weights = collect(inputs, 'w', count);
    const kept: { losses: Tensor; logits: Tensor; statistics: Tensor[] }[] = [];
    const targets =
      options.labelSmoothing > 0
        ? add(mul(inputs.y, 1 - options.labelSmoothing), options.labelSmoothing / network.outputs)
        : inputs.y;
    const { grads } = valueAndGrads((...given: Tensor[]) => {
      const { logits, statistics } = network.forward(given, inputs.x, {
        statistics: collect(inputs, 's', network.statistics.length),
        dropoutMasks: collect(inputs, 'd', network.dropouts.length),
        inverseBatch: inputs.inverseBatch,
      });
      const losses = exampleLosses(options.loss, logits, targets);
      kept.push({ losses: keep(losses), logits: keep(logits), statistics });
      return mul(sum(losses), inputs.inverseBatch);
    })(weights);
    const [{ losses, logits, statistics }] = kept;
    const updated = weights.map((weight, index) => {
      const { prunable } = network.weights[index];
      const gradient = penalizedGradient(weight, prunable, grads[index], options, inputs);
      const { velocity, second, step } = updateOf(
        gradient,
        inputs[`v${index}`],
        inputs[`a${index}`],
        options,
        inputs,
      );
      const updatedWeight = sub(weight, mul(step, inputs.rate));
      const moved = options.clamped && prunable ? clipByValue(updatedWeight, 0, 1) : updatedWeight;
      return { velocity, second, weight: masked.has(index) ? mul(moved, inputs[`m${index}`]) : moved };
    });
    const outputs = {
      losses: clone(losses),
      logits: clone(logits),
      ...numbered(
        'nw',
        updated.map(({ weight }) => weight),
      ),
      ...numbered(
        'nv',
        updated.map(({ velocity }) => velocity),
      ),
      ...(options.optimizer === 'adam'
        ? numbered(
            'na',
            updated.map(({ second }) => second as Tensor),
          )
        : {}),
      ...numbered(
        'ns',
        statistics.map((each) => clone(each)),
      ),
    };
    for (const each of [losses, logits, ...statistics]) {
      each.dispose();
    }
    return outputs;
  };
}

function updateOf(
  gradient: Tensor,
  velocity: Tensor,
  second: Tensor | undefined,
  { optimizer, nesterov }: TrainingStepOptions,
  { momentum, secondScale }: Readonly<Record<string, Tensor>>,
): { velocity: Tensor; second: Tensor | null; step: Tensor } {
  if (optimizer === 'adam') {
    const first = add(mul(velocity, momentum), mul(gradient, sub(1, momentum)));
    const squares = add(
      mul(second as Tensor, ADAM_SECOND_DECAY),
      mul(square(gradient), 1 - ADAM_SECOND_DECAY),
    );
    const root = add(mul(sqrt(squares), secondScale), ADAM_EPSILON);
    return { velocity: first, second: squares, step: div(first, root) };
  }
  const next = add(mul(velocity, momentum), gradient);
  return {
    velocity: next,
    second: null,
    step: nesterov ? add(gradient, mul(next, momentum)) : next,
  };
}
