/** Lanczos runs in the state of an analysis. */
import { InputError } from '../../errors.js';
import type { KeptRun, LanczosKeeper, LanczosRecord } from '../../spectrum/lanczos-record.js';
import type { LanczosVector } from '../../spectrum/vector-loops.js';
import { type AnalysisState, resultKey } from './analysis-state.js';
import { numbersForm } from './kept-evaluation.js';

/** Runs of one operator in the state of an analysis. */
export interface StateLanczos extends LanczosKeeper {
  /** Steps that are known of a probe's run. */
  knownSteps(probe: number): Promise<number>;
}

/** Numbers before the coefficients. */
const HEAD = 5;

/** Steps, whether the run is exhausted, newest vector, steps of the position and how many numbers it has; then all of these. */
function encodeRun(run: Omit<LanczosRecord, 'vector'>): Float64Array {
  const { alpha, beta, exhausted, newest, position } = run;
  const numbers = position?.numbers ?? [];
  const head = [alpha.length, exhausted ? 1 : 0, newest, position?.steps ?? 0, numbers.length];
  return Float64Array.of(...head, ...alpha, ...beta, ...numbers);
}

/** Null for numbers that are no run. */
function decodeRun(numbers: Float64Array): Omit<LanczosRecord, 'vector'> | null {
  const [steps, exhausted, newest, positionSteps, positionNumbers] = numbers;
  const isCount = (value: number, most: number): boolean =>
    Number.isInteger(value) && value >= 0 && value <= most;
  if (
    !isCount(steps, numbers.length) ||
    !isCount(newest, steps) ||
    !isCount(positionSteps, newest) ||
    numbers.length !== HEAD + 2 * steps + positionNumbers
  ) {
    return null;
  }
  const position = numbers.slice(HEAD + 2 * steps);
  return {
    alpha: numbers.slice(HEAD, HEAD + steps),
    beta: numbers.slice(HEAD + steps, HEAD + 2 * steps),
    exhausted: exhausted === 1,
    newest,
    position: positionSteps === 0 ? null : { steps: positionSteps, numbers: position },
  };
}

/** A run that has more steps than what is kept of it. */
interface ChangedRun {
  probe: number;
  run: KeptRun;
}

/** A run as it is between two steps; the vectors of `LanczosRecord.vector` stay until the end of the next. */
function betweenSteps(run: KeptRun): KeptRun {
  const position = run.position();
  return {
    alpha: [...run.alpha],
    beta: [...run.beta],
    exhausted: run.exhausted,
    reorthogonalization: run.reorthogonalization,
    position: () => position,
    vector: (index) => run.vector(index),
  };
}

/** What is known of a run, and what of it is in the file. */
interface KnownRun {
  steps: number;
  newest: number;
  position: LanczosRecord['position'];
}

const UNKNOWN: KnownRun = { steps: 0, newest: 0, position: null };

/**
 * Keeps the Lanczos runs of an operator.
 *
 * Vectors are written when the pace lets them; at the end, where it does not, coefficients alone, from which the same
 * limits follow without a product if there is one probe.
 *
 * @param kind what the operator and its vectors are, in words: runs of another kind are others
 * @param dimension of the operator; vectors are float32
 * @param full whether vectors are orthogonalised: then all are kept, else the last two
 */
export function stateLanczos(
  state: AnalysisState,
  kind: string,
  dimension: number,
  full: boolean,
): StateLanczos {
  const { file } = state;
  const known = new Map<number, KnownRun>();
  const runKey = (probe: number): string => resultKey(`${kind}, probe ${probe}`);
  const vectorKey = (probe: number, index: number): string =>
    resultKey(`${kind}, probe ${probe}, vector ${index}`);
  const firstKept = (newest: number): number => (full ? 1 : Math.max(0, newest - 1));
  const isThere = (probe: number, newest: number): boolean => {
    for (let index = newest === 0 ? 1 : firstKept(newest); index <= newest; index++) {
      if (file.sizeOf(vectorKey(probe, index)) !== 4 * dimension) {
        return false;
      }
    }
    return true;
  };
  const vectorOf =
    (probe: number) =>
    async (index: number): Promise<LanczosVector> => {
      const bytes = await file.read(vectorKey(probe, index));
      if (bytes?.length !== 4 * dimension) {
        throw new InputError(
          'resume/state',
          '--resume: a Lanczos vector cannot be read any more from the file; remove it to begin anew',
        );
      }
      return new Float32Array(new Uint8Array(bytes).buffer);
    };
  const load = async (probe: number): Promise<LanczosRecord | null> => {
    const bytes = await file.read(runKey(probe));
    const numbers = bytes && numbersForm.decode(bytes);
    const run = numbers && decodeRun(numbers);
    if (run === null) {
      return null;
    }
    const whole = isThere(probe, full ? run.newest : (run.position?.steps ?? 0));
    const { newest, position } = whole ? run : UNKNOWN;
    known.set(probe, { steps: run.alpha.length, newest, position });
    return { ...run, newest, position, vector: vectorOf(probe) };
  };

  /** The newest vector of a run that does not change any more. */
  const newestOf = (run: KeptRun): number => (run.exhausted ? run.alpha.length - 1 : run.alpha.length);
  const indicesToKeep = (run: KeptRun, before: KnownRun): number[] => {
    const newest = newestOf(run);
    if (!full && run.exhausted) {
      // No step follows, and nobody asks for the vectors.
      return [];
    }
    const first = Math.max(firstKept(newest), before.newest + 1);
    return Array.from({ length: Math.max(0, newest - first + 1) }, (_, i) => first + i);
  };
  /** What the last step left that was not written. */
  let unwritten: ChangedRun[] = [];
  const putVectors = (probe: number, run: KeptRun, indices: readonly number[]): void => {
    for (const index of indices) {
      // Only vectors that are all kept stay as they are while they are written.
      const vector = full ? run.vector(index) : run.vector(index).slice();
      file.put(vectorKey(probe, index), [
        new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength),
      ]);
    }
    const outdated = full || indices.length === 0 ? 0 : firstKept(newestOf(run));
    for (let index = Math.max(0, (known.get(probe) ?? UNKNOWN).newest - 1); index < outdated; index++) {
      file.forget(vectorKey(probe, index));
    }
  };
  const put = ({ probe, run }: ChangedRun, withVectors: boolean): void => {
    const before = known.get(probe) ?? UNKNOWN;
    if (withVectors) {
      putVectors(probe, run, indicesToKeep(run, before));
    }
    const kept: KnownRun =
      withVectors && (full || !run.exhausted)
        ? { steps: run.alpha.length, newest: newestOf(run), position: run.position() ?? before.position }
        : { ...before, steps: run.alpha.length };
    const coefficients = {
      alpha: Float64Array.from(run.alpha),
      beta: Float64Array.from(run.beta),
      exhausted: run.exhausted,
    };
    file.put(runKey(probe), numbersForm.encode(encodeRun({ ...coefficients, ...kept })));
    known.set(probe, kept);
  };
  state.onStop(() => {
    for (const changed of unwritten) {
      put(changed, true);
    }
    unwritten = [];
  });
  return {
    load,
    knownSteps: async (probe) => {
      const bytes = await file.read(runKey(probe));
      const numbers = bytes && numbersForm.decode(bytes);
      return (numbers && decodeRun(numbers)?.alpha.length) ?? 0;
    },
    save: async (runs, ended) => {
      const changed = [...runs.entries()]
        .map(([probe, run]) => ({ probe, run, before: known.get(probe) ?? UNKNOWN }))
        .filter(
          ({ run, before }) =>
            run.alpha.length > before.steps ||
            (ended && run.position() !== null && newestOf(run) > before.newest),
        )
        .map((each) => ({ ...each, indices: indicesToKeep(each.run, each.before) }));
      const bytes = changed.reduce((sum, { indices }) => sum + 4 * dimension * indices.length, 0);
      unwritten = ended ? [] : changed.map(({ probe, run }) => ({ probe, run: betweenSteps(run) }));
      const due = ended || (await state.isDue(bytes));
      if (changed.length === 0 || !due) {
        return;
      }
      unwritten = [];
      const withVectors = !ended || state.keepsAfterwards || state.affords(bytes);
      for (const each of changed) {
        put(each, withVectors);
      }
      await state.write();
    },
  };
}
