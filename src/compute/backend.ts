import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { InputError } from '../errors.js';
import { engine, env, findBackend, ready, setBackend, version_core } from '../tfjs-core.js';
import { withoutNewProcessHandlers } from './backend-release.js';
import { registerChainedOperations } from './chained-operations.js';
import type { NativeOptions } from './compile/native-session.js';
import { repairNestedGradients } from './engine-repairs.js';
import { registerSecondOrderGradients } from './gradients.js';
import { completeKernels, guardWasmAllocations } from './kernels.js';
import {
  type LoadedRuntime,
  loadOnnxRuntime,
  loadWebRuntime,
  runtimeInstallCommand,
  WEB_RUNTIME_PACKAGE,
} from './onnx-runtime.js';
import { packageVersion } from './package-version.js';

/** The tfjs backends prune-limit can compute with, fastest first. */
export const BACKENDS = ['tensorflow', 'wasm', 'cpu'] as const;
export type BackendName = (typeof BACKENDS)[number];

/** The computing engine that was chosen. */
export interface Engine {
  backend: BackendName;
  /** Threads the backend computes with. */
  threads: number;
  /** Versions of the libraries that compute. */
  versions: Record<string, string>;
  /** What the user should know about the choice, at most one line each. */
  notes: string[];
}

const require = createRequire(import.meta.url);
/** Backends whose kernels are completed: registrations outlive a backend that is released. */
const prepared = new Set<string>();

/** tfjs-node 4.22 calls functions of node:util that Node 23 removed. */
function restoreRemovedNodeFunctions(): void {
  const nodeUtil = require('node:util') as Record<string, unknown>;
  nodeUtil.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  nodeUtil.isArray ??= Array.isArray;
}

/** Loads the library behind a backend; resolves to why it cannot be used, or null. */
async function loadBackend(name: BackendName): Promise<string | null> {
  try {
    if (name === 'tensorflow') {
      const library: string = '@tensorflow/tfjs-node';
      if (packageVersion(library) === null) {
        return 'not installed';
      }
      restoreRemovedNodeFunctions();
      await import(library);
    } else if (name === 'wasm') {
      const { setThreadsCount } =
        require('@tensorflow/tfjs-backend-wasm') as typeof import('@tensorflow/tfjs-backend-wasm');
      setThreadsCount(1);
    } else {
      require('@tensorflow/tfjs-backend-cpu');
    }
    return null;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes((error as { code?: string }).code ?? '')
      ? 'not installed'
      : reason;
  }
}

async function tryBackend(name: BackendName): Promise<string | null> {
  const problem = await loadBackend(name);
  if (problem !== null) {
    return problem;
  }
  try {
    if (!(await withoutNewProcessHandlers(() => setBackend(name)))) {
      return 'could not be initialised';
    }
    await ready();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message.split('\n')[0] : String(error);
  }
}

/**
 * Loads, initialises and completes a tfjs backend, and makes it the current
 * one: nested gradients repaired, missing gradients and kernels registered.
 *
 * `auto` takes the first of {@link BACKENDS} that loads.
 *
 * @param threads how many threads to use; null for the backend's own choice.
 *   The wasm and cpu backends have one thread in Node.
 * @throws InputError when the backend asked for cannot be loaded
 */
export async function prepareBackend(
  requested: BackendName | 'auto',
  threads: number | null = null,
): Promise<Engine> {
  require('@tensorflow/tfjs-layers');
  if (threads !== null) {
    process.env.OMP_NUM_THREADS = String(threads);
    process.env.TF_NUM_INTRAOP_THREADS = String(threads);
  }
  const notes: string[] = [];
  const candidates = requested === 'auto' ? BACKENDS : [requested];
  for (const name of candidates) {
    const problem = await tryBackend(name);
    if (problem === null) {
      await completeBackend(name);
      if (name !== 'tensorflow' && threads !== null && threads > 1) {
        notes.push(`--threads ${threads} has no effect: the ${name} backend has one thread in Node`);
      }
      return {
        backend: name,
        threads: name === 'tensorflow' ? (threads ?? 0) : 1,
        versions: versionsOf(name),
        notes,
      };
    }
    if (requested !== 'auto') {
      throw new InputError(
        'backend/unavailable',
        `--backend ${name}: ${problem}; use --backend auto, or see \`prune-limit doctor\``,
      );
    }
    if (name === 'tensorflow') {
      notes.push(`@tensorflow/tfjs-node: ${problem}; computing with the WebAssembly backend`);
    }
  }
  throw new InputError('backend/unavailable', 'no tfjs backend could be loaded; reinstall prune-limit');
}

async function completeBackend(name: BackendName): Promise<void> {
  registerChainedOperations();
  env().set('PROD', true);
  repairNestedGradients();
  registerSecondOrderGradients();
  const current = engine().backend;
  if (name === 'wasm') {
    guardWasmAllocations(current);
  }
  if (prepared.has(name)) {
    return;
  }
  require('@tensorflow/tfjs-backend-cpu');
  const cpu = findBackend('cpu');
  completeKernels(name, name === 'cpu' ? current : cpu);
  prepared.add(name);
}

function versionsOf(name: BackendName): Record<string, string> {
  const versions: Record<string, string> = { node: process.versions.node, 'tfjs-core': version_core };
  const library = {
    tensorflow: '@tensorflow/tfjs-node',
    wasm: '@tensorflow/tfjs-backend-wasm',
    cpu: '@tensorflow/tfjs-backend-cpu',
  }[name];
  const version = packageVersion(library);
  if (version !== null) {
    versions[library.replace('@tensorflow/', '')] = version;
  }
  return versions;
}

/** Every engine prune-limit can compute with: programs compiled from tfjs, native or WebAssembly, and tfjs itself. */
export const ENGINES = ['onnx', 'onnx-web', ...BACKENDS] as const;
export type EngineName = (typeof ENGINES)[number];

/** An engine for analyses. */
export interface AnalysisEngine extends Omit<Engine, 'backend'> {
  backend: EngineName;
  /** ONNX Runtime, where programs are compiled. */
  onnx: NativeOptions | null;
}

/** What to know where `auto` found no native library. */
function withoutNative(reason: string, instead: string): string {
  return `onnxruntime-node: ${reason}; computing with ${instead}, which takes several times as long; \`${runtimeInstallCommand()}\` mends that`;
}

/** An engine that compiles programs for the ONNX Runtime that was loaded; tfjs' WebAssembly backend derives them. */
async function compilingEngine(
  backend: 'onnx' | 'onnx-web',
  { runtime, version }: LoadedRuntime,
  threads: number | null,
): Promise<AnalysisEngine> {
  const { versions } = await prepareBackend('wasm');
  const [library, executionProvider] =
    backend === 'onnx' ? (['onnxruntime-node', 'cpu'] as const) : ([WEB_RUNTIME_PACKAGE, 'wasm'] as const);
  return {
    backend,
    threads: threads ?? availableParallelism(),
    versions: { ...versions, [library]: version },
    notes: [],
    onnx: { runtime, threads, executionProvider },
  };
}

/**
 * Prepares the engine of an analysis: `auto` takes native programs where ONNX
 * Runtime loads (about ten times as fast as the WebAssembly backend, which
 * then only derives them), else programs for ONNX Runtime as WebAssembly where
 * it is installed (twice as fast or more), else a tfjs backend.
 *
 * @param threads for ONNX Runtime and tfjs-node; null for one per core
 * @throws InputError when the engine asked for cannot be loaded
 */
export async function prepareEngine(
  requested: EngineName | 'auto',
  threads: number | null = null,
): Promise<AnalysisEngine> {
  const asks = (name: EngineName): boolean => requested === name || requested === 'auto';
  const unavailable = (library: string, reason: string): InputError =>
    new InputError(
      'backend/unavailable',
      `--backend ${requested}: ${library}: ${reason}; use --backend auto, or see \`prune-limit doctor\``,
    );
  let missing = '';
  if (asks('onnx')) {
    const found = await loadOnnxRuntime();
    if (typeof found !== 'string') {
      return compilingEngine('onnx', found, threads);
    }
    if (requested === 'onnx') {
      throw unavailable('onnxruntime-node', found);
    }
    missing = found;
  }
  if (asks('onnx-web')) {
    const found = await loadWebRuntime(threads ?? availableParallelism());
    if (typeof found !== 'string') {
      const engine = await compilingEngine('onnx-web', found, threads);
      return requested === 'auto'
        ? { ...engine, notes: [withoutNative(missing, 'ONNX Runtime as WebAssembly')] }
        : engine;
    }
    if (requested === 'onnx-web') {
      throw unavailable(WEB_RUNTIME_PACKAGE, found);
    }
  }
  if (requested !== 'auto') {
    return { ...(await prepareBackend(requested as BackendName, threads)), onnx: null };
  }
  const engine = await prepareBackend('auto', threads);
  return {
    ...engine,
    notes: [withoutNative(missing, `the ${engine.backend} backend of tfjs`)],
    onnx: null,
  };
}
