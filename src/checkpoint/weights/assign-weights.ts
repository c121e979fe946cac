/** Weights read alone, put into a network that is given by a checkpoint without looking at its own weights. */
import { createHash } from 'node:crypto';
import { InputError } from '../../errors.js';
import type { Progress } from '../../progress.js';
import type { Checkpoint, CheckpointWeight } from '../checkpoint.js';
import { requirePlainKeys } from '../json.js';
import { printable, quoted, quotedList } from '../printable.js';
import { requireFinite } from '../quantization.js';
import { readCheckpoint } from '../registry.js';
import { arrange } from './axis-order.js';
import { type EffectiveEntry, effectiveNotes, effectiveWeights } from './effective-weights.js';
import { createFitting, type Fit, type Fitting, sameShape } from './fit-weights.js';
import { type Matching, matchWeights } from './match-weights.js';
import { transposedKernels } from './transposed-kernels.js';
import { openWeightFile, type WeightFile } from './weight-file.js';
import { type AxisOrder, isFlaxName } from './weight-names.js';

/**
 * Reads a network from one file and its weights from another.
 *
 * @param path as `readCheckpoint`; the weight shards of a model.json need not exist
 * @param weightsPath a .safetensors or .npz file
 * @throws InputError as `readCheckpoint`, `openWeightFile` and `assignWeights`
 */
export async function readCheckpointWithWeights(
  path: string,
  weightsPath: string,
  progress: Progress,
): Promise<Checkpoint> {
  const architecture = await readCheckpoint(path, { withoutWeights: true });
  return assignWeights(architecture, await openWeightFile(weightsPath), progress);
}

/**
 * The checkpoint with all its weights replaced by arrays of a weight file.
 *
 * Names are matched as `matchWeights` says. The name of an array tells the order of its axes: torch's for
 * `weight`, Keras's for `kernel`, the model's own for others; it is brought into the order that the model takes.
 * This decides for square matrices, whose shape does not. Behind a Flatten of a LayersModel, the features of
 * torch arrays go from channels first to channels last.
 *
 * The sha256 of the result is that over the two digests in hex, a line each: of the network (of model.json
 * alone, or of the ONNX files) and of the weight file. No weight keeps a storage type.
 *
 * @param architecture its weights' values are not looked at and may be empty
 * @param progress is told what was guessed, and which arrays belong nowhere
 * @throws InputError `checkpoint/weights-mismatch` that lists weights without an array and those of another shape;
 *   `checkpoint/ambiguous-layout` for a file that is in both orders; and what the weight file's `read` throws
 */
export async function assignWeights<C extends Checkpoint>(
  architecture: C,
  stored: WeightFile,
  progress: Progress,
): Promise<C> {
  const { weights } = architecture;
  if (weights.length === 0) {
    throw new InputError(
      'checkpoint/weights-mismatch',
      `${printable(architecture.path)} lists no weights that --weights could give; write model.json with model.save() or tensorflowjs_converter.`,
    );
  }
  if (architecture.format === 'tfjs-layers') requirePlainKeys(architecture.topology, architecture.path);
  const file = effectiveWeights(
    stored,
    weights.map(({ name }) => name),
  );
  const fitting = createFitting(architecture);
  const matching = matchWeights(
    architecture,
    file.entries,
    (target, source) => fitting.byConvention(weights[target]!, source) !== null,
  );
  const pairs = matching.matches.map(({ target, entry, order, exact }): Pair => {
    if (entry.problem !== null) throw entry.problem;
    const source = { ...entry, order };
    const fit = fitting.fit(weights[target]!, source, exact);
    const byConvention = fitting.byConvention(weights[target]!, source) !== null;
    return { target, weight: weights[target]!, entry, order, fit, byConvention };
  });
  requireAll(architecture, file, matching, pairs);
  refuseFlaxTransposedKernels(architecture, file, pairs);
  const squares = pairs.filter(isTurnedSquare).map(({ entry }) => entry);
  requireOneOrder(file, pairs, squares);
  const left = leftOver(matching.unexpected, pairs);
  const made = effectiveNotes(
    file.path,
    pairs.map(({ entry }) => entry),
  );
  for (const note of [
    ...made,
    ...matchingNotes(file, matching, left),
    ...orderNotes(file, pairs, squares, fitting),
  ]) {
    progress.note(note);
  }

  const wanted = new Map(pairs.map(({ weight, entry }) => [entry.name, weight.dtype] as const));
  const { values, sha256 } = await file.read(wanted);
  const assigned = [...weights];
  for (const { target, weight, entry, fit } of pairs) {
    const read = values.get(entry.name)!;
    values.delete(entry.name); // frees what is not used any more
    const arranged = fit === 'as it is' || fit === null ? read : arrange(read, fit);
    assigned[target] = { ...weight, values: arranged, storage: null };
    requireFinite(assigned[target], file.path);
  }
  const digest = createHash('sha256').update(`${architecture.sha256}\n${sha256}\n`).digest('hex');
  return { ...architecture, weights: assigned, sha256: digest };
}

/** A weight and its array. */
interface Pair {
  target: number;
  weight: CheckpointWeight;
  entry: EffectiveEntry;
  order: AxisOrder | null;
  fit: Fit;
  /** The fit is that which the name of the array implies. */
  byConvention: boolean;
}

/** A matrix that only its name says to be transposed. */
function isTurnedSquare({ weight, entry, fit }: Pair): boolean {
  return fit !== 'as it is' && entry.shape.length === 2 && sameShape(entry.shape, weight.shape);
}

/** Refuses a file that leaves a weight without an array of its shape: one line that lists the first of each kind. */
function requireAll(
  architecture: Checkpoint,
  file: Pick<WeightFile, 'path'>,
  { unexpected, by, prefixes }: Matching,
  pairs: readonly Pair[],
): void {
  const { weights } = architecture;
  const matched = new Set(pairs.map(({ target }) => target));
  const missing = weights.filter((_, index) => !matched.has(index));
  const misshaped = pairs.filter(({ fit }) => fit === null);
  if (missing.length === 0 && misshaped.length === 0) return;
  const kinds: string[] = [];
  const most = [missing, misshaped, unexpected].every((kind) => kind.length > 0) ? 1 : 2; // a line is short
  const names = (all: readonly { name: string }[]) => all.map(({ name }) => name);
  if (missing.length > 0) {
    kinds.push(
      `no array for ${missing.length} of ${weights.length} weights (${quotedList(names(missing), most)})`,
    );
  }
  if (misshaped.length > 0) {
    const shown = misshaped.slice(0, 1).map(({ weight: { name, shape }, entry }) => {
      const shared = entry.sources.length === 1 ? `, shared with ${quoted(entry.sources[0]!)},` : '';
      return `${quoted(entry.name)}${shared} [${entry.shape.join(', ')}] for ${quoted(name)} [${shape.join(', ')}]`;
    });
    const more = misshaped.length > 1 ? ` and ${misshaped.length - 1} more` : '';
    kinds.push(`${misshaped.length} of another shape (${shown.join(', ')}${more})`);
  }
  if (unexpected.length > 0) {
    kinds.push(`${unexpected.length} arrays that belong nowhere (${quotedList(names(unexpected), most)})`);
  }
  const hint = {
    name:
      prefixes.length > 1
        ? `each of several sets of arrays would do, below ${quotedList(prefixes)}; save the one that is meant`
        : 'give arrays the names of the weights',
    position:
      'arrays called arr_0, arr_1, ... must be as many as the weights, in their order, as get_weights() gives them',
    shape: 'no name fits, and the shapes do not settle which is which; give arrays the names of the weights',
  }[by];
  throw new InputError(
    'checkpoint/weights-mismatch',
    `${printable(file.path)} does not fit ${printable(architecture.path)}: ${kinds.join('; ')}. ${hint[0]!.toUpperCase()}${hint.slice(1)}.`,
  );
}

/** Arrays that nothing is made of, under this name or that of a tensor they share. */
function leftOver(unexpected: readonly EffectiveEntry[], pairs: readonly Pair[]): EffectiveEntry[] {
  const storage = ({ name, sources }: EffectiveEntry) => (sources.length > 0 ? sources : [name]);
  const used = new Set(pairs.flatMap(({ entry }) => storage(entry)));
  return unexpected.filter((entry) => !storage(entry).every((name) => used.has(name)));
}

/** Flax's transposed convolutions have other axes than Keras's and torch's, and the window the other way round. */
function refuseFlaxTransposedKernels(
  architecture: Checkpoint,
  file: Pick<WeightFile, 'path'>,
  pairs: readonly Pair[],
): void {
  const transposed = transposedKernels(architecture);
  const found = pairs.find(({ weight, entry }) => transposed.has(weight.name) && isFlaxName(entry.name));
  if (found === undefined) return;
  throw new InputError(
    'checkpoint/unsupported-weights',
    `${printable(file.path)}: ${quoted(found.entry.name)} is the kernel of a transposed convolution of flax, which is not the same in Keras and ONNX; ` +
      'export the network with its weights to ONNX.',
  );
}

/** Refuses a file some of whose shapes say that its names do not tell the order, where others hang on the names. */
function requireOneOrder(
  file: Pick<WeightFile, 'path'>,
  pairs: readonly Pair[],
  squares: readonly EffectiveEntry[],
): void {
  const unconventional = pairs.find(({ byConvention }) => !byConvention);
  const [square] = squares;
  if (unconventional === undefined || square === undefined) return;
  throw new InputError(
    'checkpoint/ambiguous-layout',
    `${printable(file.path)}: by its shape ${quoted(unconventional.entry.name)} is not in the order of axes that its name implies, ` +
      `so that the order of the square matrix ${quoted(square.name)} is open; save all weights in one order, under the names that go with it.`,
  );
}

function matchingNotes(
  file: Pick<WeightFile, 'path'>,
  { by, prefixes }: Matching,
  unexpected: readonly EffectiveEntry[],
): string[] {
  const notes: string[] = [];
  const path = printable(file.path);
  const [prefix] = prefixes;
  if (prefix) notes.push(`${path}: its names were read without their prefix ${quoted(prefix)}`);
  if (by === 'position') {
    notes.push(`${path}: its arrays have no names; they were taken in the order of the model's layers`);
  }
  if (by === 'shape') {
    notes.push(
      `${path}: none of its names is one of the model's; layers were matched by their shapes and, where these are the same, in the order of their numbers`,
    );
  }
  if (unexpected.length > 0) {
    const names = quotedList(unexpected.map(({ name }) => name));
    notes.push(
      `${path}: ${unexpected.length} arrays belong to no weight of the model and are left out: ${names}`,
    );
  }
  return notes;
}

function orderNotes(
  file: Pick<WeightFile, 'path'>,
  pairs: readonly Pair[],
  squares: readonly EffectiveEntry[],
  fitting: Fitting,
): string[] {
  const notes: string[] = [];
  if (squares.length > 0) {
    const names = quotedList(squares.map(({ name }) => name));
    notes.push(
      `${printable(file.path)}: square matrices are transposed by the convention of their names ("weight": [out, in], "kernel": [in, out]): ${names}`,
    );
  }
  const unknown = pairs.filter(({ weight, entry, order }) =>
    fitting.unknownFlattening(weight, { ...entry, order }),
  );
  if (unknown.length > 0) {
    const names = quotedList(unknown.map(({ weight }) => weight.name));
    notes.push(
      `warning: flattened features of unknown shape go into ${names}; if they were images, torch orders them otherwise than Keras, and all numbers are wrong`,
    );
  }
  return notes;
}
