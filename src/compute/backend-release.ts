import { engine, getKernelsForBackend, type KernelBackend, memory } from '../tfjs-core.js';

/** The parts of the tfjs engine that hold a backend. */
interface BackendHolder {
  registry: Record<string, KernelBackend>;
  backendName: string | null;
  backendInstance: KernelBackend | null;
  profiler: unknown;
}

/** Process events for which the WebAssembly module installs handlers that hold it. */
const HANDLED_EVENTS = ['uncaughtException', 'unhandledRejection'] as const;

/**
 * Runs the initialisation of a backend and takes the process-wide handlers
 * away that it installs: those of the WebAssembly module turn errors of
 * anyone into aborts of its own, and keep its memory for ever.
 */
export async function withoutNewProcessHandlers<T>(initialise: () => Promise<T>): Promise<T> {
  const before = HANDLED_EVENTS.map(
    (event) => new Set<unknown>(process.listeners(event as 'uncaughtException')),
  );
  try {
    return await initialise();
  } finally {
    HANDLED_EVENTS.forEach((event, index) => {
      for (const listener of process.listeners(event as 'uncaughtException')) {
        if (!before[index].has(listener)) {
          process.removeListener(event, listener);
        }
      }
    });
  }
}

/**
 * Gives the memory of the WebAssembly backend back, whose heap only grows:
 * hundreds of megabytes that nothing uses once native programs compute. The
 * backend can be prepared again. Does nothing while any tensor is alive.
 */
export function releaseWasmBackend(): void {
  const holder = engine() as unknown as BackendHolder;
  if (holder.backendName !== 'wasm' || memory().numTensors > 0) {
    return;
  }
  delete holder.registry.wasm;
  holder.backendName = null;
  holder.backendInstance = null;
  holder.profiler = null;
  // Kernels hold functions of the module they were set up with.
  const emptied = { wasm: { cwrap: () => null, tfjs: {} } } as unknown as KernelBackend;
  for (const { setupFunc } of getKernelsForBackend('wasm')) {
    setupFunc?.(emptied);
  }
}
