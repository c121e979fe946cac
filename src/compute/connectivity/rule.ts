import type { GraphConstant, GraphNode, ValueId } from '../compile/graph.js';
import type { Lifetimes } from './lifetimes.js';

/** A kernel call, and what is known of the values it reads. */
export interface RuleCall {
  readonly node: GraphNode;
  /** The count of what holds whatever is removed: how many weights there are to remove. */
  readonly always: number;
  lifetimes(id: ValueId): Lifetimes;
  shape(id: ValueId): readonly number[];
  /** The value, where it is known before the program runs. */
  constant(id: ValueId): GraphConstant | undefined;
}

/**
 * How lifetimes pass through a kernel: those of its outputs, in their order.
 *
 * @throws NotCompilableError for a call that the rule does not cover
 */
export type Rule = (call: RuleCall) => Lifetimes[];
