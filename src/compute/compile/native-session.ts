import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { isOlder } from '../package-version.js';
import { OnnxBuilder } from './builder.js';
import { elementCount, type Graph, graphValue } from './graph.js';
import { lower } from './lowering.js';
import { encodeOnnxModel, type OnnxValue } from './onnx-model.js';
import { NotCompilableError } from './trace.js';

/** ONNX Runtime's module, loaded only where it is used. */
export type OnnxRuntime = typeof import('onnxruntime-node');

/** A tensor in ONNX Runtime's memory. */
export type NativeTensor = OrtTensor;

/** A graph compiled to native code. */
export interface NativeProgram {
  readonly inputNames: readonly string[];
  /** Bytes of all outputs of one run. */
  readonly outputBytes: number;
  /**
   * Runs the program; the outputs are new tensors.
   *
   * @throws NotCompilableError when ONNX Runtime cannot run it
   */
  run(inputs: Record<string, NativeTensor>): Promise<Record<string, NativeTensor>>;
  /**
   * Runs the program and writes outputs over given tensors, without a copy; those must not be inputs of the same run.
   *
   * @param outputs by name, all or some; the others are new tensors
   * @throws NotCompilableError when ONNX Runtime cannot run it
   */
  runInto(
    inputs: Record<string, NativeTensor>,
    outputs: Readonly<Record<string, NativeTensor>>,
  ): Promise<Record<string, NativeTensor>>;
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

function namedValues(graph: Graph, names: Readonly<Record<string, number>>): OnnxValue[] {
  return Object.entries(names).map(([name, id]) => ({ name, ...graphValue(graph, id) }));
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

/** The ONNX model of a graph, as the bytes of a file. */
export function onnxModelOf(graph: Graph, name: string): Uint8Array {
  const builder = new OnnxBuilder(graph);
  for (const [input, id] of Object.entries(graph.inputs)) {
    builder.define(id, input);
  }
  for (const node of graph.nodes) {
    lower(node, builder);
  }
  for (const [output, id] of Object.entries(graph.outputs)) {
    builder.nameOutput(builder.full(id), output);
  }
  return encodeOnnxModel(
    builder.finish(name, namedValues(graph, graph.inputs), namedValues(graph, graph.outputs)),
  );
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

/** Outputs of a run copied to the tensors that were given: ONNX Runtime as WebAssembly does not write into those. */
function copied(
  outputs: Record<string, NativeTensor>,
  given: Readonly<Record<string, NativeTensor>>,
): Record<string, NativeTensor> {
  for (const [name, tensor] of Object.entries(given)) {
    (tensor.data as Float32Array).set(outputs[name].data as Float32Array);
  }
  return { ...outputs, ...given };
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
  const model = onnxModelOf(graph, name);
  await options.onModel?.(name, model);
  const session = await createSession(model, name, options);
  const outputBytes = Object.values(graph.outputs).reduce(
    (bytes, id) => bytes + 4 * elementCount(graphValue(graph, id).shape),
    0,
  );
  const run = async (
    inputs: Record<string, NativeTensor>,
    given: Readonly<Record<string, NativeTensor>>,
  ): Promise<Record<string, NativeTensor>> => {
    const feeds = Object.fromEntries(Object.keys(graph.inputs).map((input) => [input, inputs[input]]));
    const fetches = Object.fromEntries(
      Object.keys(graph.outputs).map((output) => [output, given[output] ?? null]),
    );
    try {
      return (await session.run(feeds, fetches)) as Record<string, NativeTensor>;
    } catch (error) {
      throw refusal(name, error);
    }
  };
  return {
    inputNames: Object.keys(graph.inputs),
    outputBytes,
    run: (inputs) => run(inputs, {}),
    runInto:
      options.executionProvider === 'wasm'
        ? async (inputs, given) => copied(await run(inputs, {}), given)
        : run,
    dispose: () => session.release(),
  };
}
