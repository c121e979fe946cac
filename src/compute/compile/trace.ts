import { engine, type Tensor } from '../../tfjs-core.js';
import { byShapesOrNumbers } from '../shapes/shape-backend.js';
import type { Program, ProgramInputs } from '../tensor-program.js';
import type { ElementType, Graph, GraphConstant, GraphNode, GraphValue, ValueId } from './graph.js';

type RunKernel = (
  name: string,
  inputs: Record<string, Tensor | Tensor[] | null | undefined>,
  attrs?: Record<string, unknown>,
) => Tensor | Tensor[];

interface PatchableEngine {
  runKernel: RunKernel;
}

/** A program that cannot be compiled; the eager backend takes over. */
export class NotCompilableError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NotCompilableError';
  }
}

function uniformValue(data: ArrayLike<number>): number | null {
  const first = data[0];
  for (let i = 1; i < data.length; i++) {
    if (data[i] !== first) {
      return null;
    }
  }
  return data.length === 0 ? null : first;
}

/** Kernels take their inputs under names; those of variable number as a list. */
function flatInputs(inputs: Record<string, unknown>): [string, Tensor][] {
  return Object.entries(inputs).flatMap(([name, input]) =>
    Array.isArray(input)
      ? input.map((item, index): [string, Tensor] => [
          `${name}.${String(index).padStart(4, '0')}`,
          item as Tensor,
        ])
      : input === null || input === undefined
        ? []
        : [[name, input as Tensor] as [string, Tensor]],
  );
}

/**
 * Records every kernel that a tensor program calls. The program is followed by
 * its shapes where they suffice, which computes nothing; else it runs once on
 * the current tfjs backend.
 *
 * Tensors that the program did not get as inputs and did not compute are
 * constants: weights that stay fixed, zeros and ones.
 */
export function traceProgram(program: Program, inputs: ProgramInputs): Graph {
  return byShapesOrNumbers(() => recordKernels(program, inputs));
}

/** As {@link traceProgram}, by running the program on the current tfjs backend. */
export function recordKernels(program: Program, inputs: ProgramInputs): Graph {
  const target = engine() as unknown as PatchableEngine;
  const runKernel = target.runKernel;
  const original = runKernel.bind(target);
  const values = new Map<ValueId, GraphValue>();
  const constants = new Map<ValueId, GraphConstant>();
  const nodes: GraphNode[] = [];
  const known = (tensor: Tensor): ValueId => {
    values.set(tensor.id, { shape: [...tensor.shape], type: tensor.dtype as ElementType });
    return tensor.id;
  };
  const inputIds = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, known(tensor)]));
  const operand = (tensor: Tensor): ValueId => {
    if (!values.has(tensor.id)) {
      const data = tensor.dataSync();
      const value = uniformValue(data);
      constants.set(
        known(tensor),
        value === null ? { kind: 'data', data } : { kind: 'uniform', value: Number(value) },
      );
    }
    return tensor.id;
  };
  // While a kernel runs, tfjs clones the outputs that gradients will need: calls made inside a call
  // are recorded after it, when its outputs are known.
  let inner: (() => void)[] | null = null;
  target.runKernel = (name, kernelInputs, attrs = {}) => {
    const record = (result: Tensor | Tensor[]): void => {
      const operands = Object.fromEntries(
        flatInputs(kernelInputs).map(([input, tensor]) => [input, operand(tensor)]),
      );
      nodes.push({
        kernel: name,
        inputs: operands,
        attributes: { ...attrs },
        outputs: [result].flat().map(known),
      });
    };
    if (inner !== null) {
      const result = original(name, kernelInputs, attrs);
      inner.push(() => record(result));
      return result;
    }
    inner = [];
    try {
      const result = original(name, kernelInputs, attrs);
      record(result);
      for (const recordInner of inner) {
        recordInner();
      }
      return result;
    } finally {
      inner = null;
    }
  };
  try {
    const outputs = engine().tidy(() => {
      const results = program(inputs);
      const ids = Object.entries(results).map(([name, tensor]) => [name, operand(tensor)]);
      return { ids } as never as Tensor;
    }) as unknown as { ids: [string, ValueId][] };
    return { values, constants, inputs: inputIds, nodes, outputs: Object.fromEntries(outputs.ids) };
  } finally {
    target.runKernel = runKernel;
  }
}

/** Renumbers the values of a graph in the order in which they appear. */
export function renumbered(graph: Graph): Graph {
  const numbers = new Map<ValueId, ValueId>();
  const number = (id: ValueId): ValueId => {
    const known = numbers.get(id) ?? numbers.size;
    numbers.set(id, known);
    return known;
  };
  const mapRecord = (record: Readonly<Record<string, ValueId>>): Record<string, ValueId> =>
    Object.fromEntries(Object.entries(record).map(([name, id]) => [name, number(id)]));
  const inputs = mapRecord(graph.inputs);
  const nodes = graph.nodes.map((node) => ({
    ...node,
    inputs: mapRecord(node.inputs),
    outputs: node.outputs.map(number),
  }));
  const outputs = mapRecord(graph.outputs);
  const rekey = <T>(map: ReadonlyMap<ValueId, T>): Map<ValueId, T> =>
    new Map([...map].filter(([id]) => numbers.has(id)).map(([id, item]) => [number(id), item]));
  return { inputs, nodes, outputs, values: rekey(graph.values), constants: rekey(graph.constants) };
}

/** A traced program for any batch size. */
export interface GraphTemplate {
  /**
   * The program for batches of a given size.
   *
   * @throws NotCompilableError for a size that the program is another one for
   */
  instantiate(batchSize: number): Graph;
}

/** The two batch sizes a template is traced at; sizes in between and beyond follow linearly. */
export const TEMPLATE_BATCHES = [2, 3] as const;

function extrapolate(small: unknown, large: unknown, batchSize: number): unknown {
  if (Object.is(small, large)) {
    return small;
  }
  if (typeof small === 'number' && typeof large === 'number') {
    return small + (large - small) * (batchSize - TEMPLATE_BATCHES[0]);
  }
  if (Array.isArray(small) && Array.isArray(large) && small.length === large.length) {
    return small.map((item, index) => extrapolate(item, large[index], batchSize));
  }
  if (JSON.stringify(small) === JSON.stringify(large)) {
    return small;
  }
  throw new NotCompilableError('an attribute depends on the batch size in a way that is not linear');
}

function sameStructure(small: Graph, large: Graph): boolean {
  const structure = (graph: Graph): string =>
    JSON.stringify([
      graph.inputs,
      graph.nodes.map(({ kernel, inputs, outputs }) => [kernel, inputs, outputs]),
      graph.outputs,
    ]);
  return structure(small) === structure(large);
}

function sameConstant(small: GraphConstant, large: GraphConstant | undefined): boolean {
  if (large === undefined || small.kind !== large.kind) {
    return false;
  }
  if (small.kind === 'uniform') {
    return small.value === (large as typeof small).value;
  }
  const other = (large as typeof small).data;
  return small.data.length === other.length && small.data.every((value, index) => value === other[index]);
}

/**
 * Traces a program at two small batch sizes and infers how its shapes grow.
 *
 * @param makeInputs inputs for a batch of the given size; disposed afterwards
 * @throws NotCompilableError when the program's structure or constants depend
 *   on the batch size
 */
export function traceTemplate(
  program: Program,
  makeInputs: (batchSize: number) => ProgramInputs,
): GraphTemplate {
  const [small, large] = TEMPLATE_BATCHES.map((batchSize) => {
    const inputs = byShapesOrNumbers(() => makeInputs(batchSize));
    try {
      return renumbered(traceProgram(program, inputs));
    } finally {
      for (const tensor of Object.values(inputs)) {
        tensor.dispose();
      }
    }
  });
  if (!sameStructure(small, large)) {
    throw new NotCompilableError('the program is not the same for every batch size');
  }
  for (const [id, constant] of small.constants) {
    if (!sameConstant(constant, large.constants.get(id))) {
      const reader = small.nodes.find((node) => Object.values(node.inputs).includes(id));
      throw new NotCompilableError(`a constant that ${reader?.kernel} reads depends on the batch size`);
    }
  }
  return {
    instantiate: (batchSize) => ({
      ...small,
      values: new Map(
        [...small.values].map(([id, { shape, type }]) => {
          const grown = extrapolate(shape, large.values.get(id)?.shape, batchSize) as number[];
          // What fills a batch of fixed size up shrinks as the batch grows.
          if (grown.some((extent) => extent < 0)) {
            throw new NotCompilableError('the program is not the same for every batch size');
          }
          return [id, { shape: grown, type }];
        }),
      ),
      nodes: small.nodes.map((node, index) => ({
        ...node,
        attributes: Object.fromEntries(
          Object.entries(node.attributes).map(([name, value]) => [
            name,
            value === undefined ? value : extrapolate(value, large.nodes[index].attributes[name], batchSize),
          ]),
        ),
      })),
    }),
  };
}
