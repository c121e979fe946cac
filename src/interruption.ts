/** What is done before a signal that ends this process has its usual effect. */
import { setTimeout as sleep } from 'node:timers/promises';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Milliseconds that it may take: less than whoever watches over this process allows. */
const LIMIT_MILLISECONDS = 1800;

/** Work that is to be done at such a signal. */
export interface InterruptionWork {
  /** Adds some, done beside the other; the signal is raised again when all is done, or took too long. */
  add(work: () => Promise<void>): { dispose(): void };
}

/** Listens to signals while there is work for them. */
export function beforeInterruption(): InterruptionWork {
  const works = new Set<() => Promise<void>>();
  let stopping = false;
  const unlisten = (): void => {
    for (const signal of SIGNALS) {
      process.off(signal, onSignal);
    }
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    // It comes twice where a terminal sends it, and the process that watches over this one.
    if (stopping) {
      return;
    }
    stopping = true;
    const all = Promise.allSettled([...works].map((work) => work()));
    void Promise.race([all, sleep(LIMIT_MILLISECONDS)]).finally(() => {
      unlisten();
      process.kill(process.pid, signal);
    });
  };
  return {
    add: (work) => {
      if (works.size === 0) {
        for (const signal of SIGNALS) {
          process.on(signal, onSignal);
        }
      }
      works.add(work);
      return {
        dispose: () => {
          works.delete(work);
          if (works.size === 0 && !stopping) {
            unlisten();
          }
        },
      };
    },
  };
}
