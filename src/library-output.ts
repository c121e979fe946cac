/** Keeps to itself what libraries write to the console: tfjs and its WebAssembly module do, on stdout, too. */
import { AsyncLocalStorage } from 'node:async_hooks';

const METHODS = ['debug', 'error', 'info', 'log', 'warn'] as const;

/**
 * Runs `work` so that nothing it or a library calls reaches the console. What
 * the rest of the process writes meanwhile is not touched, and the console is
 * as before at the end.
 *
 * @returns what `work` returns
 * @throws what `work` throws
 */
export async function withoutLibraryOutput<Result>(work: () => Promise<Result>): Promise<Result> {
  const inside = new AsyncLocalStorage<true>();
  const replaced = METHODS.map((method) => {
    const original = console[method];
    const guarded = (...args: unknown[]): void => {
      if (inside.getStore() === undefined) {
        original.apply(console, args);
      }
    };
    console[method] = guarded;
    return { method, original, guarded };
  });
  try {
    return await inside.run(true, work);
  } finally {
    for (const { method, original, guarded } of replaced) {
      // Somebody who replaced it meanwhile keeps it.
      if (console[method] === guarded) {
        console[method] = original;
      }
    }
  }
}
