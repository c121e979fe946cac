const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Does something before a signal has its usual effect.
 *
 * @param work what is done, once; the signal is raised again when it is
 */
export function whenStopped(work: () => Promise<void>): { release(): void } {
  const release = (): void => {
    for (const signal of SIGNALS) {
      process.off(signal, onSignal);
    }
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    release();
    work()
      .catch(() => {})
      .finally(() => process.kill(process.pid, signal));
  };
  for (const signal of SIGNALS) {
    process.on(signal, onSignal);
  }
  return { release };
}
