/** What `prune` takes from a report: which checkpoint and weights it is of, and how far each limit goes. */
import { z } from 'zod';
import { InputError } from '../errors.js';
import type { LimitChoice } from './limit-choices.js';
import { remedyFor } from './limit-names.js';
import { parseJson, parseReport } from './parse-report.js';
import type { LimitEstimate, Report } from './schema.js';
import { describeIssues } from './schema-issues.js';
import { fraction } from './schema-values.js';
import * as text from './text.js';

/** What a report says of pruning. */
export interface ReportedLimits {
  model: { sha256: string };
  options: { include: string[]; exclude: string[] };
  limits: Pick<Report['limits'], 'slice' | 'connected'> & {
    /** null: of a report of version 1, which is not to be relied on. */
    gaussianWidth: LimitEstimate | null;
    sharp: LimitEstimate | null;
  };
  /** null likewise. */
  actual: Report['actual'] | null;
}

/** The part of version 1 whose meaning is still the same. */
const firstVersionSchema = z.object({
  ok: z.literal(true),
  model: z.object({ sha256: z.string() }),
  options: z.object({ include: z.array(z.string()), exclude: z.array(z.string()) }),
  limits: z.object({ slice: z.object({ pruned: fraction }) }),
});

/**
 * Reads the limits of a report. Of version 1 the slice limit still means the
 * same; its estimates had intervals of about one standard deviation, and its
 * measured limits were last passes, so these are left out.
 *
 * @param json the text of the report
 * @param source where it came from, for messages
 * @throws InputError where it is no report
 */
export function readReportedLimits(json: string, source: string): ReportedLimits {
  const value = parseJson(json, source);
  if ((value as { schemaVersion?: unknown } | null)?.schemaVersion !== 1) {
    return parseReport(json, source);
  }
  const result = firstVersionSchema.safeParse(value);
  if (!result.success) {
    throw new InputError(
      'report/wrong-shape',
      `${source} is not a report of prune-limit analyze: ${describeIssues(result.error)}`,
      { cause: result.error },
    );
  }
  const { model, options, limits } = result.data;
  return {
    model,
    options,
    limits: {
      slice: { pruned: limits.slice.pruned, capped: false },
      gaussianWidth: null,
      sharp: null,
      connected: null,
    },
    actual: null,
  };
}

/**
 * How far a limit says to prune.
 *
 * @returns a pruned fraction below 1
 * @throws InputError where the limit is not known well enough, or would leave
 *   nothing, or no path from the input to an output
 */
export function limitToPruneTo({ limits, actual }: ReportedLimits, name: LimitChoice): number {
  const pruned = reportedFraction(limits, actual, name);
  const { connected } = limits;
  if (connected !== null && pruned > connected.pruned) {
    throw new InputError(
      'prune/not-connected',
      `the ${name} limit is pruned ${text.percent(pruned)}, but beyond ${text.percent(connected.pruned)} outputs have no path left from the input; prune less, for example with --ratio ${Math.floor(100 * connected.pruned) / 100}`,
    );
  }
  if (pruned >= 1) {
    throw new InputError(
      'prune/everything',
      `the ${name} limit is 100 %: it would leave a network of zeros; use another limit, or --ratio P`,
    );
  }
  return pruned;
}

function reportedFraction(
  limits: ReportedLimits['limits'],
  actual: ReportedLimits['actual'],
  name: LimitChoice,
): number {
  switch (name) {
    case 'slice':
      return limits.slice.pruned;
    case 'gaussian-width':
    case 'sharp':
    case 'gaussian-width:low':
    case 'sharp:low':
      return estimatedFraction(limits, name);
  }
  if (actual === null) {
    throw earlierVersion(name);
  }
  const measured = {
    loss: actual.loss,
    accuracy: actual.accuracy,
    'no-significant-fall': actual.noSignificantFall,
  }[name];
  if (measured === null) {
    throw new InputError(
      'prune/no-accuracy',
      `there is no ${name} limit, for want of test examples or classes; use --at-limit loss or --at-limit slice`,
    );
  }
  return measured.pruned;
}

function estimatedFraction(
  limits: ReportedLimits['limits'],
  name: 'gaussian-width' | 'gaussian-width:low' | 'sharp' | 'sharp:low',
): number {
  const [key, end] = name.split(':') as ['gaussian-width' | 'sharp', 'low' | undefined];
  const limit = key === 'sharp' ? limits.sharp : limits.gaussianWidth;
  if (limit === null) {
    throw earlierVersion(name);
  }
  if (end === 'low') {
    return limit.low;
  }
  if (!limit.settled) {
    throw new InputError(
      'prune/unresolved',
      `the ${name} limit is unresolved, between pruned ${text.between(limit.low, limit.high)}: take its safe end with --at-limit ${name}:low, or analyse with more ${remedyFor(limit.missing)}`,
    );
  }
  return limit.pruned;
}

function earlierVersion(name: LimitChoice): InputError {
  return new InputError(
    'report/earlier-version',
    `the report is of schemaVersion 1, whose ${name} limit is not to be relied on: analyse again, or use --at-limit slice`,
  );
}
