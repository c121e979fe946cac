/** The studies by name. */
import type { StudyName } from './names.js';
import { baselinesStudy } from './plans/baselines.js';
import { frontierStudy } from './plans/frontier.js';
import { iterativeStudy } from './plans/iterative.js';
import { l2Study } from './plans/l2.js';
import { prunersStudy } from './plans/pruners.js';
import { rowNormsStudy } from './plans/row-norms.js';
import { theoryVsActualStudy } from './plans/theory-vs-actual.js';
import { weightDistributionStudy } from './plans/weight-distribution.js';
import { weightScaleStudy } from './plans/weight-scale.js';
import type { Study } from './study.js';

export const studies: Readonly<Record<StudyName, Study>> = {
  pruners: prunersStudy,
  'theory-vs-actual': theoryVsActualStudy,
  'weight-distribution': weightDistributionStudy,
  'weight-scale': weightScaleStudy,
  'row-norms': rowNormsStudy,
  baselines: baselinesStudy,
  frontier: frontierStudy,
  l2: l2Study,
  iterative: iterativeStudy,
};
