import type { Tensor } from '@tensorflow/tfjs-core';
import { channelBlockSize } from '../../../src/compute/compile/channel-block-size.js';
import type {
  ElementType,
  Graph,
  GraphConstant,
  GraphNode,
  GraphValue,
  ValueId,
} from '../../../src/compute/compile/graph.js';
import { compileNative, type NativeOptions } from '../../../src/compute/compile/native-session.js';
import { loadOnnxRuntime } from '../../../src/compute/onnx-runtime.js';

async function loadNative(): Promise<NativeOptions | null> {
  const found = await loadOnnxRuntime();
  if (typeof found === 'string') {
    console.info(`onnxruntime-node: ${found}; its tests are skipped`);
    return null;
  }
  const { runtime } = found;
  return { runtime, threads: 1, channelBlock: await channelBlockSize(runtime) };
}

const loaded = await loadNative();

/** Whether onnxruntime-node, an optional dependency, is there. */
export const hasNative = loaded !== null;

/** Options of native programs; only for tests that are skipped without {@link hasNative}. */
export const native = loaded as NativeOptions;

/** A runtime whose programs give results that are wrong by a factor, in all runs or in some, counted from 1. */
export function wrongBy(factor: number, isWrong = (_run: number): boolean => true): NativeOptions {
  const { runtime } = native;
  let runs = 0;
  type Session = Awaited<ReturnType<typeof runtime.InferenceSession.create>>;
  const create = async (...parameters: [Uint8Array]): Promise<Session> => {
    const session = await runtime.InferenceSession.create(...parameters);
    const run = async (inputs: Parameters<Session['run']>[0]) => {
      const outputs = await session.run(inputs);
      const wrong = isWrong(++runs);
      for (const { data } of Object.values(outputs)) {
        if (wrong && data instanceof Float32Array) {
          data.forEach((value, i) => {
            data[i] = value * factor;
          });
        }
      }
      return outputs;
    };
    return { ...session, run, release: () => session.release() } as Session;
  };
  return { ...native, runtime: { ...runtime, InferenceSession: { create } } as typeof runtime };
}

/** What a test writes of a node; outputs and inputs are names. */
export interface NodeSketch {
  kernel: string;
  inputs: Record<string, string>;
  outputs: string[];
  attributes?: Record<string, unknown>;
}

/** A graph whose values have names instead of numbers. */
export interface GraphSketch {
  /** Shape of every value; those that are not float32 with their type. */
  values: Record<string, readonly number[] | { shape: readonly number[]; type: ElementType }>;
  constants?: Record<string, number | readonly number[]>;
  inputs: string[];
  nodes: NodeSketch[];
  outputs: string[];
}

/** Builds a graph from names; inputs and outputs keep theirs. */
export function graphOf(sketch: GraphSketch): Graph {
  const ids = new Map(Object.keys(sketch.values).map((name, id) => [name, id]));
  const idOf = (name: string): ValueId => {
    const id = ids.get(name);
    if (id === undefined) {
      throw new Error(`the sketch has no value ${name}`);
    }
    return id;
  };
  const named = (names: readonly string[]): Record<string, ValueId> =>
    Object.fromEntries(names.map((name) => [name, idOf(name)]));
  return {
    values: new Map(
      Object.entries(sketch.values).map(([name, value]): [ValueId, GraphValue] => [
        idOf(name),
        'shape' in value ? value : { shape: value, type: 'float32' },
      ]),
    ),
    constants: new Map(
      Object.entries(sketch.constants ?? {}).map(([name, value]): [ValueId, GraphConstant] => [
        idOf(name),
        typeof value === 'number'
          ? { kind: 'uniform', value }
          : { kind: 'data', data: Float32Array.from(value) },
      ]),
    ),
    inputs: named(sketch.inputs),
    nodes: sketch.nodes.map(
      (node): GraphNode => ({
        kernel: node.kernel,
        inputs: Object.fromEntries(Object.entries(node.inputs).map(([key, name]) => [key, idOf(name)])),
        attributes: node.attributes ?? {},
        outputs: node.outputs.map(idOf),
      }),
    ),
    outputs: named(sketch.outputs),
  };
}

/** The kernels of a graph, in order. */
export function kernelsOf(graph: Graph): string[] {
  return graph.nodes.map(({ kernel }) => kernel);
}

/** Numbers of a tensor, or numbers as they are, with their shape. */
export interface ShapedData {
  shape: readonly number[];
  data: Float32Array;
}

/** The data of a tfjs tensor. */
export function shapedData(tensor: Tensor): ShapedData {
  return { shape: tensor.shape, data: tensor.dataSync() as Float32Array };
}

/** Compiles a graph, runs it once and frees it. */
export async function runGraph(
  graph: Graph,
  inputs: Record<string, ShapedData>,
): Promise<Record<string, number[]>> {
  const program = await compileNative(graph, 'test', native);
  try {
    const outputs = await program.run(
      Object.fromEntries(
        Object.entries(inputs).map(([name, { shape, data }]) => [
          name,
          new native.runtime.Tensor('float32', data, [...shape]),
        ]),
      ),
    );
    return Object.fromEntries(
      Object.entries(outputs).map(([name, { data }]) => [name, Array.from(data as Float32Array, Number)]),
    );
  } finally {
    await program.dispose();
  }
}
