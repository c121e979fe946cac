/** Lanczos runs that are kept in memory. */
import type { KeptRun, LanczosKeeper, LanczosRecord } from '../../src/spectrum/lanczos-record.js';

/**
 * Keeps what a file would: copies, and of runs that are not orthogonalised no vectors but the last two.
 *
 * @param kept by probe
 * @param what coefficients alone leave the vectors out; at the end alone, steps of a run that is not finished
 */
export function keeperIn(
  kept: Map<number, LanczosRecord>,
  { coefficientsAlone = false, atEndAlone = false } = {},
): LanczosKeeper {
  return {
    load: async (probe) => kept.get(probe) ?? null,
    save: async (runs, ended) => {
      if (atEndAlone && !ended) {
        return;
      }
      for (const [probe, run] of runs.entries()) {
        const old = kept.get(probe);
        if (old !== undefined && old.alpha.length >= run.alpha.length) {
          continue;
        }
        const coefficients = {
          alpha: Float64Array.from(run.alpha),
          beta: Float64Array.from(run.beta),
          exhausted: run.exhausted,
        };
        const vectors = coefficientsAlone
          ? { position: old?.position ?? null, newest: old?.newest ?? 0, vector: old?.vector ?? noVector }
          : { position: run.position() ?? old?.position ?? null, ...vectorsOf(run) };
        kept.set(probe, { ...coefficients, ...vectors });
      }
    },
  };
}

const noVector = async (): Promise<Float32Array> => new Float32Array(0);

function vectorsOf(run: KeptRun): Pick<LanczosRecord, 'newest' | 'vector'> {
  const newest = run.exhausted ? run.alpha.length - 1 : run.alpha.length;
  const first = run.reorthogonalization === 'full' ? 1 : Math.max(0, newest - 1);
  const copies = new Map(
    Array.from({ length: newest - first + 1 }, (_, i) => [first + i, run.vector(first + i).slice()]),
  );
  return { newest, vector: async (index) => copies.get(index)! };
}
