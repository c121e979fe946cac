/** Kinds of numbers that the schema of the report is made of. */
import { z } from 'zod';

/** A whole number from 0 on. */
export const count = z.int().min(0);

/** A part of a whole, in [0, 1]. */
export const fraction = z.number().min(0).max(1);

/** A difference of two percentages, in percentage points. */
export const percentagePoints = z.number().min(-100).max(100);
