import * as text from './text.js';

/** A network on the data of a method. */
export interface NetworkMeasure {
  /** Mean over the training examples that the method may see. */
  loss: number;
  /** Of the test examples, which it does not see; null without any, or where labels are no classes. */
  accuracy: number | null;
}

/** By which method a network was pruned, what came of it and what it cost. */
export interface MethodSummary {
  name: string;
  seed: number;
  /** Work in gradients of one training example, divided by all training examples of the data. */
  epochEquivalents: number;
  /** Training examples that were looked at. */
  distinctExamples: number;
  seconds: number;
  /** Training examples that batch-normalisation statistics were taken anew on; left out where they were not. */
  batchNormExamples?: number;
  /** Whether these were changed at random, as by `--augment`; left out where they were not. */
  batchNormAugmented?: true;
  /** Of pruning by scores of weights that were drawn at random; left out of other methods. */
  scored?: {
    /** Signs at random, magnitudes sqrt(2 / fan-in). */
    frozenWeights: 'random-signs';
    /** Weight of the penalty sum p^2 over the scores. */
    scoreL2: number;
    prunings: number;
    /** Steps that trained scores, and those that fine-tuned the kept weights. */
    scoreSteps: number;
    tuningSteps: number;
  };
  /** Where the rate was chosen: those that were tried, with the mean loss over the training examples; null where training diverged. */
  triedRates?: { learningRate: number; loss: number | null }[];
  before: NetworkMeasure;
  after: NetworkMeasure;
  /** In forward order. */
  layers: { name: string; weights: number; kept: number }[];
}

/** What `--method auto` took, and why. */
export interface ChosenMethod {
  method: string;
  /** What it was measured by. */
  reason: string;
  /** Where the measurements are. */
  source: string;
  /** Methods that would have been taken and cannot prune this network, each with the reason. */
  refused: { method: string; why: string }[];
}

/** Lines of a summary about a choice; none where a method was named. */
export function choiceLines(choice: ChosenMethod | undefined): [string, string][] {
  if (choice === undefined) {
    return [];
  }
  const { method, reason, source, refused } = choice;
  return [
    ['auto', `${method}: ${reason} (${source})`],
    ...refused.map(({ method: other, why }): [string, string] => [
      'not taken',
      `${other}: ${text.printable(why)}`,
    ]),
  ];
}

function change(before: number, after: number, shown: (value: number) => string): string {
  return `${shown(after)}, before ${shown(before)}`;
}

function scoreLines(scored: MethodSummary['scored']): [string, string][] {
  if (scored === undefined) {
    return [];
  }
  const { scoreL2, prunings, scoreSteps, tuningSteps } = scored;
  const penalty = scoreL2 === 0 ? 'without a penalty' : `with the penalty ${scoreL2.toExponential()} sum p^2`;
  return [
    ['starts from', 'random signs times sqrt(2 / fan-in), not the weights of the model'],
    [
      'scores',
      `${text.plural(scoreSteps, 'step')} ${penalty}, ${text.plural(prunings, 'pruning')} on the way; ${text.plural(tuningSteps, 'step')} of fine-tuning`,
    ],
  ];
}

function rateLines(tried: MethodSummary['triedRates']): [string, string][] {
  if (tried === undefined) {
    return [];
  }
  const losses = tried.map(
    ({ learningRate, loss }) =>
      `${text.quantity(learningRate)}: ${loss === null ? 'diverged' : text.quantity(loss)}`,
  );
  return [['rates tried', `training losses ${losses.join(', ')}; the lowest is taken`]];
}

/** Lines of a summary about the method; none without one. */
export function methodLines(method: MethodSummary | undefined): [string, string][] {
  if (method === undefined) {
    return [];
  }
  const { before, after } = method;
  const percent = (value: number): string => `${(100 * value).toFixed(2)} %`;
  const accuracy: [string, string][] =
    before.accuracy === null || after.accuracy === null
      ? []
      : [['test accuracy', change(before.accuracy, after.accuracy, percent)]];
  return [
    ['method', method.name],
    ...(method.batchNormExamples === undefined
      ? []
      : [
          [
            'batch norm',
            `recalibrated on ${text.whole(method.batchNormExamples)} examples${method.batchNormAugmented ? ', changed at random' : ''}`,
          ] as [string, string],
        ]),
    ...scoreLines(method.scored),
    ...rateLines(method.triedRates),
    ['loss', change(before.loss, after.loss, text.quantity)],
    ...accuracy,
    [
      'cost',
      `${text.quantity(method.epochEquivalents)} epochs of gradients, ${text.whole(method.distinctExamples)} distinct examples, ${method.seconds.toFixed(1)} s`,
    ],
    [
      'kept',
      method.layers
        .map(
          ({ name, weights, kept }) =>
            `${text.printable(name)} ${percent(weights === 0 ? 0 : kept / weights)}`,
        )
        .join(', '),
    ],
  ];
}
