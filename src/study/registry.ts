/** The studies by name. */
import type { StudyName } from './names.js';
import { prunersStudy } from './plans/pruners.js';
import type { Study } from './study.js';

export const studies: Readonly<Record<StudyName, Study>> = {
  pruners: prunersStudy,
};
