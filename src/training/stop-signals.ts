const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Signals that ask a run to end, held back until it has written its state. */
export interface StopSignals {
  asked(): boolean;
  /** Raises the signal that was held back, if any, for its usual effect. */
  yield(): void;
  /** Stops listening. */
  release(): void;
}

/** Holds SIGINT and SIGTERM back until {@link StopSignals.yield}. */
export function stopSignals(): StopSignals {
  let held: NodeJS.Signals | null = null;
  const hold = (signal: NodeJS.Signals): void => {
    held = signal;
  };
  const release = (): void => {
    for (const signal of SIGNALS) {
      process.off(signal, hold);
    }
  };
  for (const signal of SIGNALS) {
    process.on(signal, hold);
  }
  return {
    asked: () => held !== null,
    yield: () => {
      if (held !== null) {
        release();
        process.kill(process.pid, held);
      }
    },
    release,
  };
}
