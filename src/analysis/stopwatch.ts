/** Seconds per stage of a computation. */
export interface Stopwatch {
  readonly seconds: Record<string, number>;
  /** Runs a stage and books its time under a name. */
  time<T>(stage: string, work: () => Promise<T>): Promise<T>;
  /** `seconds`, with those of the stages that run. */
  sofar(): Record<string, number>;
  /** Books seconds of an earlier run, too. */
  include(earlier: Readonly<Record<string, number>>): void;
}

/** A stopwatch with nothing booked yet. */
export function stopwatch(): Stopwatch {
  const seconds: Record<string, number> = {};
  const running = new Map<string, number>();
  const book = (to: Record<string, number>, stage: string, added: number): void => {
    to[stage] = (to[stage] ?? 0) + added;
  };
  return {
    seconds,
    time: async (stage, work) => {
      const start = performance.now();
      running.set(stage, start);
      try {
        return await work();
      } finally {
        running.delete(stage);
        book(seconds, stage, (performance.now() - start) / 1000);
      }
    },
    sofar: () => {
      const sofar = { ...seconds };
      for (const [stage, start] of running) {
        book(sofar, stage, (performance.now() - start) / 1000);
      }
      return sofar;
    },
    include: (earlier) => {
      for (const [stage, added] of Object.entries(earlier)) {
        book(seconds, stage, added);
      }
    },
  };
}
