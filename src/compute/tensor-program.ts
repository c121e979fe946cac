/** What is computed: pure tensor functions of named inputs. */
import type { Tensor } from '../tfjs-core.js';

/** Named tensors a program reads. */
export type ProgramInputs = Record<string, Tensor>;
/** A tensor function, run inside a tidy. */
export type Program = (inputs: ProgramInputs) => Record<string, Tensor>;

/** A program for batches of any size. */
export interface TensorProgram {
  /** Tells it apart in messages and in the names of dumped files. */
  name: string;
  /** How its outputs follow from its inputs. */
  run: Program;
  /** Inputs of the shapes of a batch, to try the program with; owned by the caller. */
  sampleInputs(batchSize: number): ProgramInputs;
}

/** Inputs or outputs of a program by name, `prefix0`, `prefix1`, .., from a list. */
export function numbered<T>(prefix: string, items: readonly T[]): Record<string, T> {
  return Object.fromEntries(items.map((item, index) => [`${prefix}${index}`, item]));
}

/** The items of `prefix0`, `prefix1`, .. in order. */
export function collect<T>(record: Readonly<Record<string, T>>, prefix: string, count: number): T[] {
  return Array.from({ length: count }, (_, index) => record[`${prefix}${index}`]);
}
