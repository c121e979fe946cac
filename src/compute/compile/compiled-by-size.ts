/**
 * Programs compiled for the batch sizes that occur, the full one and the last, each when it is first asked for.
 *
 * @param compile throws NotCompilableError where a program has no native form, and so does `of`
 */
export function compiledBySize<T extends { dispose(): Promise<void> }>(
  compile: (batchSize: number) => Promise<T>,
): { of(batchSize: number): Promise<T>; dispose(): void } {
  const programs = new Map<number, Promise<T>>();
  return {
    of: (batchSize) => {
      const program = programs.get(batchSize) ?? compile(batchSize);
      programs.set(batchSize, program);
      return program;
    },
    dispose: () => {
      for (const program of programs.values()) {
        program.then((compiled) => compiled.dispose()).catch(() => {});
      }
      programs.clear();
    },
  };
}
