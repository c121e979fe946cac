/** Which method `--method auto` takes: what was best of those that were measured, as plain data. */
import type { PruningMethodName } from './names.js';

/** One line of the table; the first that fits is taken. */
export interface ChoiceRule {
  method: PruningMethodName;
  /** Distinct training examples that may be seen, at least. */
  leastExamples: number;
  /** Examples that the budget trains on, the same ones again among them, at least; 0: without training. */
  leastTrained: number;
  /** Pruned fraction, at least. */
  leastPruned: number;
  /** What it was measured by. */
  because: string;
}

/** Where every line of the table comes from. */
export const CHOICE_SOURCE = 'docs/results.md, "What auto takes"';

/**
 * Measured on MLPNet (784-40-20-10, MNIST), test accuracy in percent. Wherever training sees enough examples, it is
 * best; with fewer, steps by the curvature are. `obc`, which is left out, takes minutes where others take seconds;
 * `newton` is within .3 points of `compensated`, and above it at 98 % with 100 examples.
 */
export const CHOICE_RULES: readonly ChoiceRule[] = [
  {
    method: 'gradual',
    ...{ leastExamples: 10_000, leastTrained: 60_000, leastPruned: 0 },
    because:
      'from 60,000 examples on, each seen once, training with a growing mask is best: 95.9, 95.4, 94.6 and 91.2 % at 80, 90, 95 and 98 % pruned, compensated 93.8, 93.3, 92.3 and 88.4 %',
  },
  {
    method: 'compensated',
    ...{ leastExamples: 500, leastTrained: 0, leastPruned: 0.95 },
    because:
      'from 95 % pruned on compensated is best unless training sees 60,000 examples: 92.3 and 88.4 % at 95 and 98 % pruned with 1,000 examples, training with a growing mask 91.7 and 83.0 % after 12,000',
  },
  {
    method: 'gradual',
    ...{ leastExamples: 10_000, leastTrained: 12_000, leastPruned: 0 },
    because:
      'below 95 % pruned and from 12,000 examples on, each seen once, training with a growing mask is best: 94.2 and 93.3 % at 80 and 90 % pruned, compensated 93.8 and 93.3 %',
  },
  {
    method: 'compensated',
    ...{ leastExamples: 500, leastTrained: 0, leastPruned: 0 },
    because:
      'with 1,000 examples compensated is best of what takes seconds: 93.8, 93.3 and 92.3 % at 80, 90 and 95 % pruned, cbs 93.6, 92.5 and 88.0 %, magnitude 92.9, 90.3 and 83.6 %',
  },
  {
    method: 'compensated',
    ...{ leastExamples: 2, leastTrained: 0, leastPruned: 0 },
    because:
      'with 100 examples compensated is best of what takes seconds: 93.4, 91.9 and 88.7 % at 80, 90 and 95 % pruned, cbs 93.1, 91.0 and 84.3 %, magnitude 92.9, 90.3 and 83.6 %',
  },
  {
    method: 'cbs',
    ...{ leastExamples: 2, leastTrained: 0, leastPruned: 0 },
    because:
      'cbs comes next after compensated and newton: with 100 examples 93.1, 91.0 and 84.3 % at 80, 90 and 95 % pruned, magnitude 92.9, 90.3 and 83.6 %',
  },
  {
    method: 'magnitude',
    ...{ leastExamples: 0, leastTrained: 0, leastPruned: 0 },
    because: 'without examples there are only the weights to go by',
  },
];

/** What a choice is made by. */
export interface ChoiceRequest {
  /** Distinct training examples that may be seen. */
  examples: number;
  /** Passes over them that training may take. */
  budgetEpochs: number;
  prunedFraction: number;
}

/** A method that was chosen, and why. */
export interface MethodChoice {
  method: PruningMethodName;
  /** A sentence. */
  reason: string;
  /** Where the measurements are. */
  source: string;
  /** Methods that come before it in the table and cannot prune this network, each with the reason. */
  refused: { method: PruningMethodName; why: string }[];
}

/**
 * The best method by the table that can prune the network.
 *
 * @param cannot methods that cannot, each with the reason
 */
export function chooseMethod(
  { examples, budgetEpochs, prunedFraction }: ChoiceRequest,
  cannot: ReadonlyMap<PruningMethodName, string>,
  rules: readonly ChoiceRule[] = CHOICE_RULES,
): MethodChoice {
  const refused: MethodChoice['refused'] = [];
  const trained = budgetEpochs * examples;
  for (const rule of rules) {
    const { method, because } = rule;
    const fits =
      examples >= rule.leastExamples && trained >= rule.leastTrained && prunedFraction >= rule.leastPruned;
    if (!fits || refused.some((other) => other.method === method)) {
      continue;
    }
    const why = cannot.get(method);
    if (why === undefined) {
      return { method, reason: because, source: CHOICE_SOURCE, refused };
    }
    refused.push({ method, why });
  }
  throw new Error('the table of methods has no line that fits everything');
}
