import type { AnalyzeConfig } from '../config.js';
import { gaussianWidthLimit } from '../geometry/gaussian-width.js';
import { sharpLimit } from '../geometry/sharp-limit.js';
import type { Progress } from '../progress.js';
import type { MagnitudeRanking } from '../pruning/magnitude.js';
import { radiusSquared } from '../pruning/magnitude.js';
import { estimateSpectrum, type SpectrumEstimate } from '../spectrum/slq.js';
import { clippedMeasure, type SpectralMeasure } from '../spectrum/spectral-measure.js';
import { estimateUncertainty, type FunctionalEstimate } from '../spectrum/uncertainty.js';
import type { OpenedComputation } from './open-computation.js';

/** The spectrum and the two limits that come from it, as pruned fractions. */
export interface SpectralLimits {
  spectrum: SpectrumEstimate;
  gaussianWidth: FunctionalEstimate;
  sharp: FunctionalEstimate;
}

/** A measure with negative nodes counted as `--negative` says: by magnitude, which limits do themselves, or as 0. */
export function countedMeasure(
  measure: SpectralMeasure,
  negative: AnalyzeConfig['negative'],
): SpectralMeasure {
  return negative === 'clip' ? clippedMeasure(measure) : measure;
}

/** Estimates the spectrum until the limit that bounds the kept ratio is settled. */
export async function estimateLimits(
  { curvature, createVectors, lanczos }: Pick<OpenedComputation, 'curvature' | 'createVectors' | 'lanczos'>,
  ranking: MagnitudeRanking,
  epsilon: number,
  config: AnalyzeConfig,
  progress: Progress,
): Promise<SpectralLimits> {
  const radius = (prunedFraction: number): number => radiusSquared(ranking, prunedFraction);
  const counted = (measure: SpectralMeasure): SpectralMeasure => countedMeasure(measure, config.negative);
  const gaussianWidth = (measure: SpectralMeasure): number =>
    gaussianWidthLimit(counted(measure), radius, epsilon);
  const sharp = (measure: SpectralMeasure): number => sharpLimit(counted(measure), radius, epsilon);
  const stage = progress.stage('Lanczos steps', config.steps);
  const spectrum = await estimateSpectrum(curvature, {
    seed: config.seed,
    probes: lanczos.probes,
    maximumSteps: config.steps,
    reorthogonalization: lanczos.reorthogonalization,
    createVectors,
    functional: config.bound === 'sharp' ? sharp : gaussianWidth,
    tolerance: config.tolerancePoints / 100,
    onStep: (steps) => stage.update(steps),
  });
  stage.end();
  return {
    spectrum,
    gaussianWidth: estimateUncertainty(gaussianWidth, spectrum),
    sharp: estimateUncertainty(sharp, spectrum),
  };
}
