import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { isOlder } from '../package-version.js';
import { OnnxBuilder } from './builder.js';
import { type Graph, graphValue } from './graph.js';
import { lower } from './lowering.js';
import { encodeOnnxModel, type OnnxGraph, type OnnxValue } from './onnx-model.js';
import { NotCompilableError } from './trace.js';

/** ONNX Runtime's module, loaded only where it is used. */
export type OnnxRuntime = typeof import('onnxruntime-node');

/** A tensor in ONNX Runtime's memory. */
export type NativeTensor = OrtTensor;

/** A graph compiled to native code. */
export interface NativeProgram {
  /**
   * Runs the program. The outputs are new tensors: ONNX Runtime 1.30 copies them for Node, those too for which it was
   * given memory.
   *
   * @param inputs more of them are left out of account
   * @throws NotCompilableError when ONNX Runtime cannot run it
   */
  run(inputs: Record<string, NativeTensor>): Promise<Record<string, NativeTensor>>;
  dispose(): Promise<void>;
}

/** How native programs are run. */
export interface NativeOptions {
  runtime: OnnxRuntime;
  /** Threads within an operation; null for one per core. WebAssembly decides on them when it is loaded. */
  threads: number | null;
  /** Where ONNX Runtime computes: native code by default, or its WebAssembly build. */
  executionProvider?: 'cpu' | 'wasm';
  /** Called, and waited for, with every program before it is compiled; its bytes are those of an ONNX file. */
  onModel?: (name: string, model: Uint8Array) => Promise<void>;
  /** Channels in a block of ONNX Runtime's blocked convolution ({@link channelBlockSize}); without one it is not used. */
  channelBlock?: number | null;
}

/** The first version that was tested with a time after which threads no longer spin; older ones spin for up to half a second. */
const SPIN_DURATION_SINCE = [1, 30] as const;

/**
 * What threads do while they wait for the next operation. Those that spin on
 * take the cores from everyone else on a shared machine; those that sleep at
 * once wake up too late for short operations. With 20 microseconds, training
 * steps of an MLP and ResNet20 took 17 and 10 % less time than with none, those
 * of VGG16 7 %, of FC5 and LeNet-5 as much; CPU time was 5 % less to 14 % more.
 */
function waiting(runtime: OnnxRuntime): Record<string, string> {
  return isOlder(runtime.env?.versions?.node ?? '0.0', SPIN_DURATION_SINCE)
    ? { allow_spinning: '0' }
    : { spin_duration_us: '20' };
}

/**
 * A graph as ONNX says it.
 *
 * @param nameOf what inputs and outputs are called there
 */
export function onnxGraphOf(
  graph: Graph,
  name: string,
  nameOf: (own: string) => string = (own) => own,
): OnnxGraph {
  const builder = new OnnxBuilder(graph);
  for (const [input, id] of Object.entries(graph.inputs)) {
    builder.define(id, nameOf(input));
  }
  for (const node of graph.nodes) {
    lower(node, builder);
  }
  for (const [output, id] of Object.entries(graph.outputs)) {
    builder.nameOutput(builder.full(id), nameOf(output));
  }
  const valuesOf = (names: Readonly<Record<string, number>>): OnnxValue[] =>
    Object.entries(names).map(([own, id]) => ({ name: nameOf(own), ...graphValue(graph, id) }));
  return builder.finish(name, valuesOf(graph.inputs), valuesOf(graph.outputs));
}

/** The error for a program that ONNX Runtime does not take. */
export function refusal(name: string, error: unknown): NotCompilableError {
  const reason = (error instanceof Error ? error.message : String(error)).split('\n')[0];
  return new NotCompilableError(`ONNX Runtime refuses ${name}: ${reason}`);
}

/**
 * Prepares an ONNX model to run natively.
 *
 * @throws NotCompilableError
 */
export async function createSession(
  model: Uint8Array,
  name: string,
  options: NativeOptions,
): Promise<InferenceSession> {
  try {
    return await options.runtime.InferenceSession.create(model, {
      executionProviders: [options.executionProvider ?? 'cpu'],
      graphOptimizationLevel: 'all',
      // A pattern of fixed buffers costs a quarter more memory and is not faster here.
      enableMemPattern: false,
      // What goes wrong is thrown; severity 3 would print it in red as well.
      logSeverityLevel: 4,
      ...(options.threads === null ? {} : { intraOpNumThreads: options.threads }),
      extra: { session: { intra_op: waiting(options.runtime) } },
    });
  } catch (error) {
    throw refusal(name, error);
  }
}

/**
 * Prepares an ONNX graph to run natively.
 *
 * @throws NotCompilableError when ONNX Runtime has no implementation
 */
export async function openProgram(graph: OnnxGraph, options: NativeOptions): Promise<NativeProgram> {
  const { name } = graph;
  const model = encodeOnnxModel(graph);
  await options.onModel?.(name, model);
  const session = await createSession(model, name, options);
  return {
    run: async (inputs) => {
      const feeds = Object.fromEntries(graph.inputs.map((input) => [input.name, inputs[input.name]]));
      try {
        return (await session.run(feeds)) as Record<string, NativeTensor>;
      } catch (error) {
        throw refusal(name, error);
      }
    },
    dispose: () => session.release(),
  };
}

/**
 * Compiles a graph with ONNX Runtime.
 *
 * @throws NotCompilableError when a kernel has no lowering or ONNX Runtime no implementation
 */
export async function compileNative(
  graph: Graph,
  name: string,
  options: NativeOptions,
): Promise<NativeProgram> {
  return openProgram(onnxGraphOf(graph, name), options);
}
