import {
  countReads,
  elementCount,
  type Graph,
  type GraphNode,
  graphValue,
  type ValueId,
} from '../compile/graph.js';
import { separateFused } from '../compile/separate-fused.js';
import { simplify } from '../compile/simplify.js';
import { NotCompilableError } from '../compile/trace.js';
import { elementwiseRules } from './elementwise-rules.js';
import { filled, type Lifetimes, NEVER } from './lifetimes.js';
import { reductionRules } from './reduction-rules.js';
import type { Rule, RuleCall } from './rule.js';
import { shapeRules } from './shape-rules.js';
import { windowRules } from './window-rules.js';

const rules: Readonly<Record<string, Rule>> = {
  ...elementwiseRules,
  ...reductionRules,
  ...shapeRules,
  ...windowRules,
};

/** Lifetimes of a program's outputs. */
export interface Propagated {
  readonly outputs: Readonly<Record<string, Lifetimes>>;
  /**
   * Kernels without a rule, each once: everything was taken to hang on
   * everything there, so that lifetimes are upper bounds. Empty: they are exact.
   */
  readonly unknownKernels: readonly string[];
}

/** Fused kernels in their parts; as they are where an activation is not known. */
function inParts(graph: Graph): Graph {
  try {
    return separateFused(graph);
  } catch (error) {
    if (error instanceof NotCompilableError) {
      return graph;
    }
    throw error;
  }
}

/** Lifetimes of a kernel's outputs; null where no rule covers the call. */
function byRule(call: RuleCall): Lifetimes[] | null {
  const rule = Object.hasOwn(rules, call.node.kernel) ? rules[call.node.kernel] : undefined;
  try {
    return rule?.(call) ?? null;
  } catch (error) {
    if (error instanceof NotCompilableError) {
      return null;
    }
    throw error;
  }
}

/** Every output hangs on everything that the kernel reads, as long as anything does. */
function worstCase({ node, shape, lifetimes, always }: RuleCall): Lifetimes[] {
  const counts = Object.values(node.inputs).map((id) => lifetimes(id).depends);
  const longest = counts.reduce(
    (most, depends) => depends?.reduce((left, right) => Math.max(left, right), most) ?? most,
    NEVER,
  );
  return node.outputs.map((id) => {
    const size = elementCount(shape(id));
    return {
      depends: longest === NEVER ? null : filled(size, longest),
      nonZero: filled(size, always),
    };
  });
}

function constantLifetimes(graph: Graph, id: ValueId, always: number): Lifetimes | null {
  const constant = graph.constants.get(id);
  if (constant === undefined) {
    return null;
  }
  const count = (value: number): number => (value === 0 ? NEVER : always);
  return {
    depends: null,
    nonZero:
      constant.kind === 'uniform'
        ? filled(elementCount(graphValue(graph, id).shape), count(constant.value))
        : Int32Array.from(constant.data, count),
  };
}

/** Lifetimes of values, forgotten once they are read for the last time. */
function valueStore(graph: Graph, inputs: Readonly<Record<string, Lifetimes>>, always: number) {
  const known = new Map<ValueId, Lifetimes>(
    Object.entries(graph.inputs).map(([name, id]) => [id, inputs[name]]),
  );
  const reads = countReads(graph);
  return {
    set: (id: ValueId, lifetimes: Lifetimes): void => {
      known.set(id, lifetimes);
    },
    get: (id: ValueId): Lifetimes => {
      const found = known.get(id) ?? constantLifetimes(graph, id, always);
      if (found === null) {
        throw new Error(`graph value ${id} is read before it is computed`);
      }
      known.set(id, found);
      return found;
    },
    read: (node: GraphNode): void => {
      for (const id of Object.values(node.inputs)) {
        const left = (reads.get(id) ?? 0) - 1;
        reads.set(id, left);
        if (left <= 0) {
          known.delete(id);
        }
      }
    },
  };
}

/**
 * Walks a traced program once and finds, for every element of its outputs, how
 * many weights may be removed before no path leads to it from the input.
 *
 * A path runs through operations, along operands that are not zero whatever
 * the input is: a product of the input with a weight that is removed, or with
 * a constant 0, ends it. It is a path in the network's structure: that a relu
 * is always off, or that two terms cancel, is not seen.
 *
 * @param inputs lifetimes of the program's inputs, by name and of their shapes
 * @param always how many weights there are to remove: the count of what holds
 *   whatever is removed
 */
export function propagateLifetimes(
  graph: Graph,
  inputs: Readonly<Record<string, Lifetimes>>,
  always: number,
): Propagated {
  const program = simplify(inParts(graph));
  const store = valueStore(program, inputs, always);
  const unknown = new Set<string>();
  for (const node of program.nodes) {
    const call: RuleCall = {
      node,
      always,
      lifetimes: store.get,
      shape: (id) => graphValue(program, id).shape,
      constant: (id) => program.constants.get(id),
    };
    const found = byRule(call);
    if (found === null) {
      unknown.add(node.kernel);
    }
    const results = found ?? worstCase(call);
    node.outputs.forEach((id, index) => {
      store.set(id, results[index]);
    });
    store.read(node);
  }
  const outputs = Object.fromEntries(
    Object.entries(program.outputs).map(([name, id]) => [name, store.get(id)]),
  );
  return { outputs, unknownKernels: [...unknown].sort() };
}
