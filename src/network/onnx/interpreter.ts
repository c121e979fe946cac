import type { OnnxNode } from '../../checkpoint/onnx-graph.js';
import { InputError } from '../../errors.js';
import { tidy } from '../../tfjs-core.js';
import { onGroups } from './groups.js';
import { malformed, type Operator, type OperatorCall } from './operator.js';
import { onHost } from './operators/host.js';
import { operatorOf } from './operators/table.js';
import { dependentOnInput, type Plan } from './plan.js';
import { ConstantTensors, type HostValue, hostValue, tensorIn, type Value } from './values.js';

/** A plan ready to be run: what is the same in every run is computed. */
export interface Program {
  readonly plan: Plan;
  readonly nodes: readonly OnnxNode[];
  /** Constants by name. */
  readonly constants: ReadonlyMap<string, HostValue>;
  /** Values that depend on the network's input. */
  readonly batched: ReadonlySet<string>;
  /** What computes some of the nodes in place of their own operators. */
  readonly operators?: ReadonlyMap<OnnxNode, Operator>;
}

/** How a program is run. */
export interface RunOptions {
  tensors: ConstantTensors;
  batchScale?: OperatorCall['batchScale'];
  /** How many batches the input holds, for a graph that takes one at a time; null for one that takes any. */
  groups?: number | null;
  /** Errors of tfjs become errors about the node (while a model is loaded). */
  explain?: boolean;
  /** Told the outputs of every node. */
  onOutputs?: (node: OnnxNode, values: readonly Value[]) => void;
}

function runNode(
  node: OnnxNode,
  plan: Plan,
  batched: ReadonlySet<string>,
  lookUp: (name: string) => Value | undefined,
  { tensors, batchScale = null, groups = null, explain = false }: RunOptions,
  operators?: Program['operators'],
): Value[] {
  const call: OperatorCall = {
    node,
    opset: node.opset ?? plan.opset,
    inputs: node.inputs.map((name) => (name === '' ? null : (lookUp(name) ?? null))),
    constants: tensors,
    batchScale,
    batched: batched.has(node.inputs[0]),
  };
  try {
    const known = onHost(call);
    if (known !== null) {
      return known;
    }
    const operator = operators?.get(node) ?? operatorOf(node, call.opset);
    const grouped = node.inputs.map((name) => batched.has(name));
    return groups === null ? operator(call) : onGroups(operator, call, grouped, groups);
  } catch (error) {
    if (!explain || error instanceof InputError) {
      throw error;
    }
    const reason = (error instanceof Error ? error.message : String(error)).split('\n')[0];
    throw malformed(call, reason.slice(0, 200));
  }
}

/** A tensor's numbers as a constant. */
function frozen(value: Value, tensors: ConstantTensors): HostValue {
  if (value.kind === 'host') {
    return { ...value, constant: true };
  }
  const first = tensorIn(value, 'first', tensors);
  return hostValue(first.dtype === 'bool' ? 'boolean' : 'float', value.shape, first.dataSync(), true);
}

/**
 * Computes every node whose operands are constants.
 *
 * @param constants all initialisers but those that vary from run to run
 * @throws InputError
 */
export function programOf(plan: Plan, constants: ReadonlyMap<string, HostValue>): Program {
  const known = new Map(constants);
  const batched = dependentOnInput(plan);
  const nodes: OnnxNode[] = [];
  const tensors = new ConstantTensors();
  try {
    for (const node of plan.nodes) {
      if (!node.inputs.every((name) => name === '' || known.has(name))) {
        nodes.push(node);
        continue;
      }
      tidy(() => {
        const results = runNode(node, plan, batched, (name) => known.get(name), { tensors, explain: true });
        results.forEach((value, index) => {
          known.set(node.outputs[index], frozen(value, tensors));
        });
      });
    }
  } finally {
    tensors.dispose();
  }
  const read = new Set([plan.output, ...nodes.flatMap(({ inputs }) => inputs)]);
  return { plan, nodes, batched, constants: new Map([...known].filter(([name]) => read.has(name))) };
}

/**
 * Runs a program; to be called inside a tidy.
 *
 * @param values the input and the weights that vary, by name
 * @returns the output's value
 */
export function runProgram(
  program: Program,
  values: ReadonlyMap<string, Value>,
  options: RunOptions,
): Value | undefined {
  const all = new Map<string, Value>([...program.constants, ...values]);
  for (const node of program.nodes) {
    const { plan, batched, operators } = program;
    const results = runNode(node, plan, batched, (name) => all.get(name), options, operators);
    options.onOutputs?.(node, results);
    results.forEach((value, index) => {
      all.set(node.outputs[index], value);
    });
  }
  return all.get(program.plan.output);
}
