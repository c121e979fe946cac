import { cpus } from 'node:os';
import type { SelfCheck } from '../../curvature/self-check.js';
import { type AnalysisState, resultKey } from './analysis-state.js';
import { numbersForm } from './kept-evaluation.js';

/**
 * A check of derivatives that was passed before, by the same model, data and libraries on such a processor; else one
 * that is carried out.
 */
export async function keptSelfCheck(
  state: Pick<AnalysisState, 'recall'> | null,
  check: () => Promise<SelfCheck>,
): Promise<SelfCheck> {
  if (state === null) {
    return check();
  }
  const key = resultKey(`self-check by ${cpus()[0]?.model}`);
  const [productError, gradientError, resolution, trainedResolution] = await state.recall(
    key,
    numbersForm,
    async () => {
      const checked = await check();
      return Float64Array.of(
        checked.productError,
        checked.gradientError,
        checked.resolution,
        checked.trainedResolution,
      );
    },
  );
  return { productError, gradientError, resolution, trainedResolution };
}
