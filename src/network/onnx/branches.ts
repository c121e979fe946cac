/** If nodes whose condition is known before the network runs: the branch that is taken stands in their place. */

import { elementCount, type OnnxCheckpoint } from '../../checkpoint/checkpoint.js';
import { sortNodes } from '../../checkpoint/onnx/nodes.js';
import type { OnnxNode } from '../../checkpoint/onnx-graph.js';
import { InputError } from '../../errors.js';
import { tidy, zeros } from '../../tfjs-core.js';
import type { NetworkOptions } from '../network.js';
import { programOf, runProgram } from './interpreter.js';
import { dependentOnInput, inputExtents, neededFor, type Plan } from './plan.js';
import { ConstantTensors, constantsOf, type HostValue, tensorValue } from './values.js';

/** A checkpoint without the If nodes that could be decided, and how many these were. */
export interface Decided {
  checkpoint: OnnxCheckpoint;
  decided: number;
}

/** If nodes that are decided, at most: branches hold further ones. */
const MAX_DECIDED = 4096;

/** Extent of an axis that neither the file nor the data says; conditions are of ranks, or of extents that are said. */
const ANY_EXTENT = 32;

/** Most numbers of the batch that conditions of shapes are tried with. */
const MAX_TRIED_VALUES = 2 ** 24;

/**
 * Puts branches in the place of If nodes whose condition follows from constants, or from shapes: then it must be the
 * same for batches of two sizes. Other If nodes stay, and are refused where they are needed.
 *
 * @throws InputError for a graph that contradicts itself
 */
export function decideBranches(
  checkpoint: OnnxCheckpoint,
  { exampleShape }: Pick<NetworkOptions, 'exampleShape'>,
): Decided {
  if (!checkpoint.graph.nodes.some(isIf)) {
    return { checkpoint, decided: 0 };
  }
  const constants = constantsOf(checkpoint);
  const undecided = new Set<OnnxNode>();
  let { nodes } = checkpoint.graph;
  let decided = 0;
  for (;;) {
    const next = nodes.find((node) => isIf(node) && !undecided.has(node));
    if (next === undefined || decided === MAX_DECIDED) {
      break;
    }
    const graph = { ...checkpoint.graph, nodes };
    const condition = conditionOf({ ...checkpoint, graph }, next, constants, exampleShape);
    const taken = condition === null ? null : takenBranch(next, condition);
    if (taken === null) {
      undecided.add(next);
      continue;
    }
    decided++;
    nodes = nodes.flatMap((node) => (node === next ? taken : [node]));
  }
  if (decided === 0) {
    return { checkpoint, decided };
  }
  const known = new Set([...constants.keys(), ...checkpoint.graph.inputs.map(({ name }) => name)]);
  const sorted = sortNodes(nodes, known, checkpoint.path);
  return { checkpoint: { ...checkpoint, graph: { ...checkpoint.graph, nodes: sorted } }, decided };
}

function isIf({ opType, domain }: OnnxNode): boolean {
  return opType === 'If' && domain === '';
}

/** The nodes of a branch, and what hands its results on; null where it does not fit the node. */
function takenBranch(node: OnnxNode, condition: boolean): OnnxNode[] | null {
  const branch = node.attributes.get(condition ? 'then_branch' : 'else_branch');
  if (branch?.kind !== 'branch' || branch.value.outputs.length < node.outputs.length) {
    return null;
  }
  const results = node.outputs.map(
    (output, index): OnnxNode => ({
      ...node,
      opType: 'Identity',
      inputs: [branch.value.outputs[index]],
      outputs: [output],
      attributes: new Map(),
    }),
  );
  return [...branch.value.nodes, ...results.filter(({ outputs: [name] }) => name !== '')];
}

/** A node's condition; null where it is not known without running the network on its data. */
function conditionOf(
  { graph }: OnnxCheckpoint,
  node: OnnxNode,
  constants: ReadonlyMap<string, HostValue>,
  exampleShape: NetworkOptions['exampleShape'],
): boolean | null {
  const [name] = node.inputs;
  const [input] = graph.inputs;
  const nodes = neededFor(graph.nodes, name);
  if (input === undefined || nodes.some(isIf)) {
    return null;
  }
  const known = constants.get(name);
  if (known !== undefined) {
    return known.values[0] !== 0;
  }
  const plan: Plan = { nodes, opset: graph.opset, input, output: name, ending: null };
  try {
    if (!dependentOnInput(plan).has(name)) {
      return truth(programOf(plan, constants).constants.get(name));
    }
    const all = { ...plan, nodes: graph.nodes };
    const extents = inputExtents(all, new Map([...constants].map(([each, { shape }]) => [each, shape])));
    const example = extents.includes(null) && exampleShape ? exampleShape(extents) : extents;
    const [declared] = input.shape ?? [];
    const batches = declared === null ? [2, 3] : [declared];
    const conditions = batches.map((batch) =>
      conditionForShape(plan, constants, [batch ?? 1, ...example.map((extent) => extent ?? ANY_EXTENT)]),
    );
    return conditions.every((condition) => condition === conditions[0]) ? conditions[0] : null;
  } catch (error) {
    // An operator that is not known, or that does not fit this shape: the network itself says which.
    if (error instanceof InputError && error.code.startsWith('network/onnx-')) {
      return null;
    }
    throw error;
  }
}

function truth(value: { kind: 'host' | 'tensor' } | undefined): boolean | null {
  return value?.kind === 'host' ? (value as HostValue).values[0] !== 0 : null;
}

/** The condition for an input of a shape, where it is one of shapes alone. */
function conditionForShape(
  plan: Plan,
  constants: ReadonlyMap<string, HostValue>,
  shape: readonly number[],
): boolean | null {
  if (elementCount(shape) > MAX_TRIED_VALUES) {
    return null;
  }
  const program = programOf(plan, constants);
  const tensors = new ConstantTensors();
  try {
    let condition: boolean | null = null;
    tidy(() => {
      const values = new Map([[plan.input.name, tensorValue(zeros([...shape]))]]);
      condition = truth(runProgram(program, values, { tensors, explain: true }));
    });
    return condition;
  } finally {
    tensors.dispose();
  }
}
