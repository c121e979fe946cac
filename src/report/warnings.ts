/** What an expert would remark on a finished analysis. */
import { measuredLimits, remedyFor, theoryNames } from './limit-names.js';
import type { Report } from './schema.js';
import { percent, plainPoints, plural, printable, range, whole } from './text.js';

/** Weights of one magnitude at the edge of a limit: some of them are pruned and some not. */
export interface TiedWeights {
  /** The limit, as a warning calls it. */
  limit: string;
  magnitude: number;
  /** How many weights have it. */
  weights: number;
}

/** Facts the warnings need that the report itself does not hold. */
export interface WarningFacts {
  /** |g' d| as a share of |g' d| + 1/2 |d' H d| at the slice limit; null where d = 0. */
  gradientShare: number | null;
  /** Classes of the labels; null for targets. */
  dataClasses: number | null;
  /** Outputs of the network. */
  outputs: number;
  /** Dimension of the Gauss-Newton matrix's range at most: examples times the directions in which the loss curves. */
  gaussNewtonRank: number;
  /** The smallest difference that test accuracy can show, as a fraction; null without it. */
  accuracyResolution: number | null;
  /** An order of images in which the network is right much more often, and how often; null where none is known. */
  betterOrder: {
    order: 'NHWC' | 'NCHW';
    accuracy: number;
    takenAccuracy: number;
    examples: number;
  } | null;
  /** At the limits where ties are many enough to matter. */
  ties: readonly TiedWeights[];
  /** The numbers that the loss takes for logits read like probabilities for every training example. */
  probabilitiesAsLogits: boolean;
}

/** Above this share of the predicted loss increase the gradient is not a correction any more. */
const LARGE_GRADIENT_SHARE = 0.25;
/** Above this share of sum |lambda| the network is at a saddle rather than near a minimum. */
const LARGE_NEGATIVE_MASS = 0.1;
/** An accuracy within this factor of guessing, and within this share of the way from there to 1, is at chance. */
const CHANCE_FACTOR = 1.5;
const CHANCE_SHARE = 0.05;
/** Of fewer examples than this, means and their deviations are no more than an impression. */
const FEWEST_EXAMPLES = 16;
/** Limits are searched to a tenth of a point: a last pass nearer to the first failure is none of its own. */
const SEARCH_RESOLUTION = 1e-3;

function endingWarning(probabilitiesAsLogits: boolean): string[] {
  return probabilitiesAsLogits
    ? [
        'the outputs that the loss takes for logits lie between 0 and 1 and sum to 1: the network seems to end in probabilities, so that neither loss nor limits are those it was trained for; save the model with its softmax as its last layer, or without it',
      ]
    : [];
}

function gradientWarning(share: number | null): string[] {
  return share !== null && share > LARGE_GRADIENT_SHARE
    ? [
        `the checkpoint is not near a minimum of this loss: the gradient makes up ${percent(share)} of the predicted loss change at the slice limit, and the limits assume a minimum (a penalty in training, such as l1, has this effect too)`,
      ]
    : [];
}

function curvatureWarnings({ curvature }: Report): string[] {
  const warnings: string[] = [];
  if (curvature.lambdaMax === 0 && curvature.lambdaMin === 0) {
    warnings.push(
      'the curvature is zero: the loss does not depend on the prunable weights (dead units, or a saturated loss), so the limits say nothing',
    );
  }
  if (curvature.negativeMass > LARGE_NEGATIVE_MASS) {
    warnings.push(
      `large negative spectral mass: negative eigenvalues hold ${percent(curvature.negativeMass)} of sum |lambda|; compare with --negative clip and --curvature ggn`,
    );
  }
  return warnings;
}

function unresolvedWords(missing: 'steps' | 'probes' | 'confirmation' | null, tolerance: string): string {
  return missing === 'confirmation'
    ? `which is within --tolerance of ${tolerance} but not confirmed by a second look; more ${remedyFor(missing)} would take one`
    : `where --tolerance asks for ${tolerance}; more ${remedyFor(missing)} would narrow it`;
}

function unresolvedWarnings({ limits, options }: Report): string[] {
  return (['gaussianWidth', 'sharp'] as const).flatMap((name) => {
    const { low, high, settled, missing } = limits[name];
    if (settled) {
      return [];
    }
    const tolerance = plainPoints(options.tolerancePoints);
    return [
      `the ${name === 'sharp' ? 'sharp' : 'Gaussian-width'} limit is unresolved: pruned ${range(low, high)}, ${unresolvedWords(missing, tolerance)}`,
    ];
  });
}

function exampleWarnings({ curvature, epsilon, data }: Report): string[] {
  const uses: [number | null, string, string][] = [
    [curvature.examples, 'training', 'the curvature and the measured loss'],
    [epsilon.examples, 'training', 'epsilon'],
    [data.test?.examples ?? null, 'test', 'test accuracy'],
  ];
  return uses.flatMap(([examples, split, what]) =>
    examples !== null && examples < FEWEST_EXAMPLES
      ? [`only ${plural(examples, `${split} example`)} behind ${what}: no more than an impression`]
      : [],
  );
}

function accuracyWarnings(
  { accuracy, actual }: Report,
  { accuracyResolution, outputs }: WarningFacts,
): string[] {
  const warnings: string[] = [];
  const tolerance = actual.accuracy?.tolerance ?? 0;
  if (tolerance > 0 && accuracyResolution !== null && accuracyResolution > tolerance) {
    warnings.push(
      `test accuracy moves in steps of ${plainPoints(100 * accuracyResolution)}, more than --accuracy-tolerance ${plainPoints(100 * tolerance)}: its limit hangs on single test examples`,
    );
  }
  const measured = accuracy?.test ?? accuracy?.train ?? null;
  const classes = Math.max(2, outputs);
  if (measured !== null && measured < highestChanceAccuracy(classes)) {
    warnings.push(
      `the dense accuracy, ${percent(measured)}, is at chance for ${classes} classes: check --normalize, the data's layout and its labels`,
    );
  }
  return warnings;
}

function orderWarning(better: WarningFacts['betterOrder']): string[] {
  if (better === null) {
    return [];
  }
  const [there, here] = better.order === 'NCHW' ? ['first', 'last'] : ['last', 'first'];
  return [
    `the images are likely in the wrong order: with channels ${there} ${percent(better.accuracy)} of ${plural(better.examples, 'training example')} are right, with channels ${here}, as taken, ${percent(better.takenAccuracy)}; use --layout ${better.order}`,
  ];
}

function highestChanceAccuracy(classes: number): number {
  return Math.min(CHANCE_FACTOR / classes, 1 / classes + CHANCE_SHARE * (1 - 1 / classes));
}

function leftOutWarnings({ model }: Report): string[] {
  return (model.leftOut ?? []).map(
    ({ name, weights, reason }) =>
      `kernel ${printable(name)} (${plural(weights, 'weight')}) is left out of the prunable weights: it is ${printable(reason)}`,
  );
}

function classWarning({ dataClasses, outputs }: WarningFacts): string[] {
  return dataClasses !== null && outputs > 1 && dataClasses < outputs
    ? [
        `the labels hold ${dataClasses} classes, the model has ${outputs} outputs: is this the data it was trained on?`,
      ]
    : [];
}

/**
 * Too few examples for the number of weights. The rank is a bound of the
 * Gauss-Newton matrix only: the rest of a Hessian, the curvature of the outputs
 * weighted by residuals, has a rank of its own. With more examples the limit of
 * |H| was seen to rise (65.3 to 69.1 % from 500 to 10,000, 2,240 weights, exact
 * spectra) and that of the Gauss-Newton matrix to fall (80.8 to 72.5 %).
 */
function rankWarning({ curvature, data, model }: Report, rank: number): string[] {
  if (rank >= model.prunable) {
    return [];
  }
  const all = data.train.examples >= data.train.available;
  const bound = `rank ${whole(rank)} at most, of ${whole(model.prunable)}`;
  const examples = plural(curvature.examples, 'example');
  if (curvature.kind === 'ggn') {
    return [
      `the Gauss-Newton matrix of ${examples} has ${bound}: its limits are too high${all ? '' : '; use more --examples'}`,
    ];
  }
  return all
    ? []
    : [
        `few examples for so many weights: the Gauss-Newton part of the Hessian of ${examples} has ${bound}; with more --examples the limits tend to rise, and those of --curvature ggn to fall: between the two lies what all examples would give`,
      ];
}

function comesBackWarnings(report: Report): string[] {
  const tests = {
    loss: 'the loss is within its tolerance',
    accuracy: 'accuracy is within its tolerance',
    noSignificantFall: 'accuracy does not fall significantly',
  };
  return measuredLimits(report).flatMap(({ key, limit }) => {
    // To the letter, accuracy comes back all the time; the table shows it.
    if (key === 'strictAccuracy' || limit.lastPass - limit.pruned < SEARCH_RESOLUTION) {
      return [];
    }
    return [
      `the measured curve is not monotone: ${tests[key]} up to pruned ${percent(limit.pruned)} and, after failing, again up to ${percent(limit.lastPass)}; the limit is the first failure`,
    ];
  });
}

function tieWarning(ties: readonly TiedWeights[]): string[] {
  if (ties.length === 0) {
    return [];
  }
  const where = ties.map(
    ({ limit, magnitude, weights }) =>
      `${limit}: ${whole(weights)} of magnitude ${Number(magnitude.toPrecision(4))}`,
  );
  return [
    `ties in magnitude: which of equal weights are pruned is arbitrary (by their order in the model) at these limits: ${where.join('; ')}`,
  ];
}

function sliceWarning({ limits }: Report): string[] {
  return limits.slice.pruned > limits.gaussianWidth.high
    ? [
        `the ${theoryNames.slice} limit lies above the Gaussian-width limit: kept weights need not move, and the paper's estimate is not informative here`,
      ]
    : [];
}

/** What an expert would remark on a finished analysis, one line each. */
export function expertWarnings(report: Report, facts: WarningFacts): string[] {
  return [
    ...leftOutWarnings(report),
    ...exampleWarnings(report),
    ...endingWarning(facts.probabilitiesAsLogits),
    ...gradientWarning(facts.gradientShare),
    ...curvatureWarnings(report),
    ...unresolvedWarnings(report),
    ...accuracyWarnings(report, facts),
    ...orderWarning(facts.betterOrder),
    ...classWarning(facts),
    ...rankWarning(report, facts.gaussNewtonRank),
    ...sliceWarning(report),
    ...comesBackWarnings(report),
    ...tieWarning(facts.ties),
  ];
}
