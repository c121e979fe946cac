/** Keeps to itself what libraries say: tfjs and its WebAssembly module write to the console, on stdout, too. */
import { AsyncLocalStorage } from 'node:async_hooks';

type Say = (...args: unknown[]) => void;

/** Where a library can say something: the console, and Node's warnings (deprecated, experimental). */
const VOICES: readonly (readonly [owner: object, method: string])[] = [
  ...['debug', 'error', 'info', 'log', 'warn'].map((method) => [console, method] as const),
  [process, 'emitWarning'],
];

/**
 * Runs `work` so that nothing it or a library calls reaches the console, nor
 * becomes a warning of Node. What the rest of the process says meanwhile is not
 * touched, and all is as before at the end.
 *
 * @returns what `work` returns
 * @throws what `work` throws
 */
export async function withoutLibraryOutput<Result>(work: () => Promise<Result>): Promise<Result> {
  const inside = new AsyncLocalStorage<true>();
  const replaced = VOICES.map(([owner, method]) => {
    const methods = owner as Record<string, Say>;
    const original = methods[method]!;
    const guarded: Say = (...args) => {
      if (inside.getStore() === undefined) {
        original.apply(owner, args);
      }
    };
    methods[method] = guarded;
    return { methods, method, original, guarded };
  });
  try {
    return await inside.run(true, work);
  } finally {
    for (const { methods, method, original, guarded } of replaced) {
      // Somebody who replaced it meanwhile keeps it.
      if (methods[method] === guarded) {
        methods[method] = original;
      }
    }
  }
}
