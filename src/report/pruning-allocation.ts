/** What `prune --allocation` takes from a report: which checkpoint it is of, and how much of each weight to prune. */
import { InputError } from '../errors.js';
import type { TotalReport } from './allocation-schema.js';
import { parseReport } from './parse-report.js';
import type { Report } from './schema.js';
import * as text from './text.js';

/** A ratio names a total that it is this near to: reports show a tenth of a point. */
const NEAR = 0.0005 + 1e-9;

/** An allocation of a report. */
export interface ReportedAllocation {
  model: Pick<Report['model'], 'sha256'>;
  options: Pick<Report['options'], 'include' | 'exclude'>;
  total: TotalReport;
}

/**
 * Reads an allocation of a report.
 *
 * @param json the text of the report
 * @param source where it came from, for messages
 * @param ratio the total that is meant; null: the smallest, which is that at the slice limit
 * @throws InputError where it is no report, or has no allocation of such a total
 */
export function readReportedAllocation(
  json: string,
  source: string,
  ratio: number | null,
): ReportedAllocation {
  const { model, options, layers } = parseReport(json, source);
  const totals = layers?.allocation?.totals ?? [];
  if (totals.length === 0) {
    throw new InputError(
      'prune/no-allocation',
      `${source} holds no allocation; analyse the model with --layers full --json FILE first`,
    );
  }
  const total = ratio === null ? totals[0] : totals.find(({ pruned }) => Math.abs(pruned - ratio) <= NEAR);
  if (total === undefined) {
    throw new InputError(
      'prune/no-such-total',
      `${source} holds no allocation of --ratio ${ratio}, only of ${totals.map(({ pruned }) => text.percent(pruned)).join(', ')}; name one of these`,
    );
  }
  return { model, options, total };
}

/**
 * How many of each weight an allocation prunes.
 *
 * @param weights of the model, in its order
 * @throws InputError where the allocation is of other weights, or prunes more than there are
 */
export function countsOfAllocation(
  { weights: allocated }: Pick<TotalReport, 'weights'>,
  weights: readonly { name: string; size: number }[],
  source: string,
): number[] {
  const other = weights.findIndex(({ name, size }, index) => {
    const found = allocated[index];
    return found === undefined || found.name !== name || found.prunedWeights > size;
  });
  if (other >= 0 || allocated.length !== weights.length) {
    const name = weights[other]?.name ?? allocated[weights.length]!.name;
    throw new InputError(
      'prune/other-weights',
      `${source}: its allocation does not fit the weight ${text.printable(name)} of the model; analyse the model again`,
    );
  }
  return weights.map((_, index) => allocated[index]!.prunedWeights);
}
