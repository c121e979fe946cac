/** Seconds per stage of a computation. */
export interface Stopwatch {
  readonly seconds: Record<string, number>;
  /** Runs a stage and books its time under a name. */
  time<T>(stage: string, work: () => Promise<T>): Promise<T>;
}

/** A stopwatch with nothing booked yet. */
export function stopwatch(): Stopwatch {
  const seconds: Record<string, number> = {};
  return {
    seconds,
    time: async (stage, work) => {
      const start = performance.now();
      try {
        return await work();
      } finally {
        seconds[stage] = (seconds[stage] ?? 0) + (performance.now() - start) / 1000;
      }
    },
  };
}
