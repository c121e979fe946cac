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
 * @param whose `process`: what anybody says meanwhile, for a process that does nothing else. To follow `work` through
 *   everything asynchronous takes a tenth of the time in which modules are loaded
 * @returns what `work` returns
 * @throws what `work` throws
 */
export async function withoutLibraryOutput<Result>(
  work: () => Promise<Result>,
  whose: 'work' | 'process' = 'work',
): Promise<Result> {
  const inside = whose === 'work' ? new AsyncLocalStorage<true>() : null;
  let atWork = true;
  const isSilent = (): boolean => (inside === null ? atWork : inside.getStore() !== undefined);
  const replaced = VOICES.map(([owner, method]) => {
    const methods = owner as Record<string, Say>;
    const original = methods[method]!;
    const guarded: Say = (...args) => {
      if (!isSilent()) {
        original.apply(owner, args);
      }
    };
    methods[method] = guarded;
    return { methods, method, original, guarded };
  });
  try {
    return await (inside === null ? work() : inside.run(true, work));
  } finally {
    atWork = false;
    for (const { methods, method, original, guarded } of replaced) {
      // Somebody who replaced it meanwhile keeps it.
      if (methods[method] === guarded) {
        methods[method] = original;
      }
    }
  }
}
