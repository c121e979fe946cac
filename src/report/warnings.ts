import type { Report } from './schema.js';

/** Facts the warnings need that the report itself does not hold. */
export interface WarningFacts {
  /** |g' d| as a share of |g' d| + 1/2 |d' H d| at the slice limit; null where d = 0. */
  gradientShare: number | null;
  /** Classes of the labels; null for targets. */
  dataClasses: number | null;
  /** Outputs of the network. */
  outputs: number;
  /** Dimension of the Gauss-Newton matrix's range at most: examples (outputs - 1). */
  gaussNewtonRank: number;
}

/** Above this share of the predicted loss increase the gradient is not a correction any more. */
const LARGE_GRADIENT_SHARE = 0.25;
/** Above this share of sum |lambda| the network is at a saddle rather than near a minimum. */
const LARGE_NEGATIVE_MASS = 0.1;
/** An accuracy within this factor of guessing, and within this share of the way from there to 1, is at chance. */
const CHANCE_FACTOR = 1.5;
const CHANCE_SHARE = 0.05;
/** A loss that falls by more than this share of eps between rising fractions is not rounding. */
const FALLING_LOSS_SHARE = 0.05;

function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`;
}

function unresolvedLimits({ limits, options }: Report): string[] {
  const rows = [
    ['Gaussian-width', limits.gaussianWidth],
    ['sharp', limits.sharp],
  ] as const;
  return rows
    .filter(([, limit]) => !limit.settled)
    .map(
      ([name, { low, high }]) =>
        `the ${name} limit is unresolved: pruned ${percent(low)} to ${percent(high)}, wider than --tolerance ${options.tolerancePoints} points; more --steps or --probes narrow it`,
    );
}

function fallingLoss({ curve, epsilon }: Report): string[] {
  for (let i = 1; i < curve.length; i++) {
    const before = curve[i - 1];
    const after = curve[i];
    if (
      before.loss !== null &&
      after.loss !== null &&
      before.loss - after.loss > FALLING_LOSS_SHARE * epsilon.value &&
      !before.insideSublevelSet &&
      after.insideSublevelSet
    ) {
      return [
        `the measured curve is not monotone: at pruned ${percent(before.pruned)} the loss is above its tolerance, at ${percent(after.pruned)} within it again`,
      ];
    }
  }
  return [];
}

function highestChanceAccuracy(classes: number): number {
  return Math.min(CHANCE_FACTOR / classes, 1 / classes + CHANCE_SHARE * (1 - 1 / classes));
}

/** What an expert would remark on a finished analysis, one line each. */
export function expertWarnings(report: Report, facts: WarningFacts): string[] {
  const warnings: string[] = [];
  const { curvature, accuracy, limits } = report;
  if (facts.gradientShare !== null && facts.gradientShare > LARGE_GRADIENT_SHARE) {
    warnings.push(
      `the checkpoint is not near a minimum of this loss: the gradient makes up ${percent(facts.gradientShare)} of the predicted loss change at the slice limit, and the limits assume a minimum (a penalty in training, such as l1, has this effect too)`,
    );
  }
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
  warnings.push(...unresolvedLimits(report));
  const measuredAccuracy = accuracy?.test ?? accuracy?.train ?? null;
  const classes = Math.max(2, facts.outputs);
  if (measuredAccuracy !== null && measuredAccuracy < highestChanceAccuracy(classes)) {
    warnings.push(
      `the dense accuracy, ${percent(measuredAccuracy)}, is at chance for ${classes} classes: check --normalize, the data's layout and its labels`,
    );
  }
  if (facts.dataClasses !== null && facts.outputs > 1 && facts.dataClasses < facts.outputs) {
    warnings.push(
      `the labels hold ${facts.dataClasses} classes, the model has ${facts.outputs} outputs: is this the data it was trained on?`,
    );
  }
  if (curvature.kind === 'ggn' && facts.gaussNewtonRank < report.model.prunable) {
    warnings.push(
      `the Gauss-Newton matrix of ${curvature.examples} examples has rank ${facts.gaussNewtonRank} at most, of ${report.model.prunable}: its limit is too high; use more --examples`,
    );
  }
  if (limits.slice.pruned > limits.gaussianWidth.high) {
    warnings.push(
      "the slice limit lies above the Gaussian-width limit: the kept weights need not move, and the paper's bound is not informative here",
    );
  }
  warnings.push(...fallingLoss(report));
  return warnings;
}
