/** A weight file as the network sees it: removed names of shared tensors followed, weights computed of their parts. */
import { InputError } from '../../errors.js';
import type { CheckpointDtype, CheckpointWeight } from '../checkpoint.js';
import { printable, quoted, quotedList } from '../printable.js';
import { type Fold, findFolds } from './reparametrization.js';
import { convertNumbers, type WeightEntry, type WeightFile } from './weight-file.js';

/** A weight file whose arrays are weights. */
export interface EffectiveWeights {
  path: string;
  entries: readonly EffectiveEntry[];
  /** As `WeightFile.read`; what is computed of parts is computed in float64 and rounded once. */
  read(
    wanted: ReadonlyMap<string, CheckpointDtype>,
  ): Promise<{ values: Map<string, CheckpointWeight['values']>; sha256: string }>;
}

/** An array of the file, or one that is made of some. */
export interface EffectiveEntry extends WeightEntry {
  /** Arrays of the file that it is read from; none for one that is an array of the file itself. */
  sources: readonly string[];
  /** What is to be said where it is used, e.g. `weight norm is folded`; null: nothing. */
  remark: string | null;
}

/**
 * Follows the aliases of a file (safetensors.torch.save_model writes a tensor that several parameters share once, and
 * the names it left out as metadata), and puts weights in the place of the parts that they are computed from.
 *
 * @param known names of the model's weights; arrays that are these stay as they are
 */
export function effectiveWeights(file: WeightFile, known: readonly string[]): EffectiveWeights {
  const own = new Map(file.entries.map((entry) => [entry.name, entry]));
  const aliases = new Map<string, string>();
  const entries: EffectiveEntry[] = file.entries.map((entry) => ({ ...entry, sources: [], remark: null }));
  for (const [removed, kept] of file.aliases) {
    const entry = own.get(kept);
    if (entry === undefined || own.has(removed)) continue;
    aliases.set(removed, kept);
    entries.push({
      ...entry,
      name: removed,
      sources: [kept],
      remark: 'names of shared tensors are followed',
    });
  }
  const storedName = (name: string) => aliases.get(name) ?? name;

  const folds = new Map<string, Fold>();
  const places = new Map<string, EffectiveEntry | null>();
  for (const fold of findFolds(entries, known, file.path)) {
    folds.set(fold.name, fold);
    const problem =
      fold.compute instanceof InputError
        ? fold.compute
        : (fold.parts.find((part) => part.problem !== null)?.problem ?? null);
    const [first, ...others] = fold.parts;
    places.set(first!.name, {
      name: fold.name,
      shape: fold.shape,
      dtype: first!.dtype,
      problem,
      sources: fold.parts.map(({ name }) => storedName(name)),
      remark: `${fold.method} is folded`,
    });
    for (const { name } of others) places.set(name, null);
  }
  const shown = entries.flatMap((entry) => {
    if (folds.has(entry.name)) return []; // given twice: the fold says so
    const place = places.get(entry.name);
    return place === undefined ? [entry] : place === null ? [] : [place];
  });
  return { path: file.path, entries: shown, read: (wanted) => readEffective(file, aliases, folds, wanted) };
}

async function readEffective(
  file: WeightFile,
  aliases: ReadonlyMap<string, string>,
  folds: ReadonlyMap<string, Fold>,
  wanted: ReadonlyMap<string, CheckpointDtype>,
): Promise<{ values: Map<string, CheckpointWeight['values']>; sha256: string }> {
  const storedName = (name: string) => aliases.get(name) ?? name;
  const stored = new Map<string, CheckpointDtype | 'float64'>();
  for (const [name, dtype] of wanted) {
    const fold = folds.get(name);
    for (const source of fold?.parts.map((part) => storedName(part.name)) ?? [storedName(name)]) {
      const as = fold === undefined ? dtype : 'float64';
      if ((stored.get(source) ?? as) !== as) {
        throw new InputError(
          'checkpoint/unsupported-dtype',
          `${printable(file.path)}: ${quoted(source)} is shared by weights of several dtypes; save each under its own name.`,
        );
      }
      stored.set(source, as);
    }
  }
  const { values: read, sha256 } = await file.read(stored);
  const values = new Map<string, CheckpointWeight['values']>();
  const given = new Set<string>();
  for (const [name, dtype] of wanted) {
    const fold = folds.get(name);
    if (fold !== undefined) {
      if (fold.compute instanceof InputError) throw fold.compute;
      const parts = fold.parts.map((part) => read.get(storedName(part.name)) as Float64Array);
      const computed = { kind: 'float' as const, values: fold.compute(parts) };
      values.set(name, convertNumbers(computed, dtype, fold, file.path) as CheckpointWeight['values']);
      continue;
    }
    const array = read.get(storedName(name)) as CheckpointWeight['values'];
    // Weights that share a tensor are weights of their own from here on.
    values.set(name, given.has(storedName(name)) ? array.slice() : array);
    given.add(storedName(name));
  }
  return { values, sha256 };
}

/** One remark for each kind of thing that was done to the arrays that are used. */
export function effectiveNotes(path: string, used: readonly EffectiveEntry[]): string[] {
  const byRemark = new Map<string, string[]>();
  for (const { name, remark } of used) {
    if (remark !== null) byRemark.set(remark, [...(byRemark.get(remark) ?? []), name]);
  }
  return [...byRemark].map(([remark, names]) => `${printable(path)}: ${remark}: ${quotedList(names)}`);
}
