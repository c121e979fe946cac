import { gaussianWidthLimit } from '../geometry/gaussian-width.js';
import { sharpLimit } from '../geometry/sharp-limit.js';
import type { Report } from '../report/schema.js';
import { asFraction } from './limits-report.js';
import { curveOf, limitMeasures, type TheoryCurveSetting } from './theory-curve.js';

/**
 * The limits of weights that are all multiplied by c while the spectrum stays
 * as it is: R(p) becomes c R(p) (the paper's figure 7). It costs no product.
 *
 * The spectrum is the mixture of quadrature rules that has the limits of c = 1
 * as its own, so that c = 1 gives those. A network whose weights really are
 * scaled has another spectrum.
 *
 * @param most the connected limit, which does not move with c; 1 where it is not known
 */
export function weightScales(
  setting: TheoryCurveSetting,
  factors: readonly number[],
  most: number,
): NonNullable<Report['weightScales']> {
  const measures = limitMeasures(setting);
  const { radiusSquared, epsilon } = setting;
  return factors.map((factor) => {
    const scaled = (pruned: number): number => factor ** 2 * radiusSquared(pruned);
    const crossings =
      factor === 1
        ? { gaussianWidth: setting.gaussianWidth, sharp: setting.sharp }
        : {
            gaussianWidth: asFraction(gaussianWidthLimit(measures.ofWidth, scaled, epsilon)),
            sharp: asFraction(sharpLimit(measures.ofDimension, scaled, epsilon)),
          };
    const limit = (crossing: number) => ({
      pruned: Math.min(most, crossing),
      capped: crossing > most,
      crossing,
    });
    return {
      factor,
      gaussianWidth: limit(crossings.gaussianWidth),
      sharp: limit(crossings.sharp),
      curve: curveOf({ ...setting, radiusSquared: scaled, ...crossings }, measures),
    };
  });
}
