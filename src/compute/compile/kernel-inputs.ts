import type { GraphNode, ValueId } from './graph.js';
import { NotCompilableError } from './trace.js';

/**
 * An input of a traced kernel.
 *
 * @throws NotCompilableError where the kernel was called without it
 */
export function input(node: GraphNode, name: string): ValueId {
  const id = node.inputs[name];
  if (id === undefined) {
    throw new NotCompilableError(`${node.kernel} has no input ${name}`);
  }
  return id;
}

/** Axes of a reduction; tfjs writes one, several or none (all). */
export function axes(node: GraphNode, rank: number, attribute = 'axis'): number[] {
  const given = node.attributes[attribute];
  const list = given === undefined || given === null ? [...Array(rank).keys()] : [given].flat();
  return (list as number[]).map((axis) => (axis < 0 ? axis + rank : axis));
}
