import type { AnalyzeConfig } from '../config.js';
import { gaussianWidthLimit } from '../geometry/gaussian-width.js';
import { sharpLimit } from '../geometry/sharp-limit.js';
import type { Progress } from '../progress.js';
import type { MagnitudeRanking } from '../pruning/magnitude.js';
import { continuousRadiusSquared } from '../pruning/magnitude.js';
import { estimateSpectrum, type SpectrumEstimate } from '../spectrum/slq.js';
import { clippedMeasure, type SpectralMeasure } from '../spectrum/spectral-measure.js';
import type { OpenedComputation } from './open-computation.js';
import { analysisStages } from './stages.js';

/** The spectrum, with the two limits that come from it, as pruned fractions. */
export type LimitSpectrum = SpectrumEstimate<'gaussianWidth' | 'sharp'>;

/** A measure with negative nodes counted as `--negative` says: by magnitude, which limits do themselves, or as 0. */
export function countedMeasure(
  measure: SpectralMeasure,
  negative: AnalyzeConfig['negative'],
): SpectralMeasure {
  return negative === 'clip' ? clippedMeasure(measure) : measure;
}

/** Estimates the spectrum until the limit that bounds the kept ratio is settled. */
export async function estimateLimits(
  computation: Pick<OpenedComputation, 'curvature' | 'createVectors' | 'lanczos' | 'keeper'>,
  ranking: MagnitudeRanking,
  epsilon: number,
  config: AnalyzeConfig,
  progress: Progress,
): Promise<LimitSpectrum> {
  const radius = (prunedFraction: number): number => continuousRadiusSquared(ranking, prunedFraction);
  const counted = (measure: SpectralMeasure): SpectralMeasure => countedMeasure(measure, config.negative);
  const { curvature, createVectors, lanczos, keeper } = computation;
  const known = Array.from({ length: lanczos.probes }, (_, probe) => keeper?.knownSteps(probe) ?? 0);
  const before = Math.min(...(await Promise.all(known)), config.steps);
  const stage = progress.stage(analysisStages.spectrum, lanczos.products, {
    atMost: true,
    before: lanczos.probes * before,
  });
  if (before > 0) {
    progress.note(`${analysisStages.spectrum}: resumed at step ${before}`);
  }
  const spectrum = await estimateSpectrum(curvature, {
    seed: config.seed,
    probes: lanczos.probes,
    addProbes: config.probes === null,
    maximumSteps: config.steps,
    maximumProducts: lanczos.products,
    reorthogonalization: lanczos.reorthogonalization,
    createVectors,
    ...(keeper && { keeper }),
    negativeEigenvalues: config.negative,
    functionals: {
      gaussianWidth: (measure) => gaussianWidthLimit(counted(measure), radius, epsilon),
      sharp: (measure) => sharpLimit(counted(measure), radius, epsilon),
    },
    decisive: config.bound === 'sharp' ? 'sharp' : 'gaussianWidth',
    tolerance: config.tolerancePoints / 100,
    onProducts: (done, _budget, expected) => stage.update(done, expected),
  });
  stage.end();
  return spectrum;
}
