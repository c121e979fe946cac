/** Names of the studies; a module of its own, which loads nothing. */
export const STUDY_NAMES = [
  'pruners',
  'theory-vs-actual',
  'weight-distribution',
  'weight-scale',
  'row-norms',
  'baselines',
  'frontier',
  'l2',
  'iterative',
] as const;
export type StudyName = (typeof STUDY_NAMES)[number];

/** The first stage of progress of a study. */
export const STUDY_DATA_STAGE = 'fingerprint of the data';
