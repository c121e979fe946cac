import { elementCount, type OnnxCheckpoint } from '../../checkpoint/checkpoint.js';
import type { OnnxNode } from '../../checkpoint/onnx-graph.js';
import { printable } from '../../checkpoint/printable.js';
import { InputError } from '../../errors.js';
import { randomStream } from '../../random.js';
import { concat, reshape, slice, type Tensor, type Tensor2D, tensor, tidy, zeros } from '../../tfjs-core.js';
import type { NetworkOptions, PrunableWeight } from '../network.js';
import { type Program, type RunOptions, runProgram } from './interpreter.js';
import { MAX_VALUES } from './operator.js';
import { type ConstantTensors, tensorIn, tensorValue, type Value } from './values.js';

/** The network's output [examples, outputs] for weights and inputs; to be called inside a tidy. */
type Run = (weights: readonly Tensor[], inputs: Tensor) => Tensor2D;

/** How a graph is run on batches of any size. */
export interface BatchRule {
  outputs: number;
  /** Extents of the output for one example; `outputs` is their product. */
  outputShape: readonly number[];
  /** Shape of what the removed activation was applied to, for some examples. */
  endingShape: readonly number[] | null;
  /** How it is run, in words, where the file says otherwise. */
  note: string | null;
  /** Whether a batch is run as a whole: not filled up with zeros, nor example by example. */
  whole: boolean;
  run: Run;
}

/** What is known of an example's shape. */
export interface ExampleExtents {
  /** Null where free. */
  extents: readonly (number | null)[];
  /** Of the data at hand; without it, extents are tried. */
  exampleShape?: NetworkOptions['exampleShape'];
}

/** Most numbers of a batch of the declared size, 256 MiB: careless files declare batches of millions. */
const MAX_BATCH_VALUES = 2 ** 26;

/** Most numbers of an example for which extents are tried: 16 MiB, 27 images of three channels and 224 x 224 pixels. */
const MAX_TRIED_VALUES = 2 ** 22;

/** Extents tried where the file leaves an extent of the input free, and no data says it. */
const TRIED_EXTENTS = [32, 28, 224, 64, 16, 8, 1];

/** Relative difference of outputs that counts as the same, at float32. */
const SAME = 1e-3;

function isSame(left: Float32Array | null, right: Float32Array): boolean {
  const scale = right.reduce((largest, value) => Math.max(largest, Math.abs(value) || 0), 0);
  return (
    left !== null &&
    left.length === right.length &&
    left.every((value, i) => value === right[i] || !(Math.abs(value - right[i]) > SAME * scale))
  );
}

const ONE_AT_A_TIME = 'its batch axis is free, but it takes one example at a time, and is run so';

/**
 * Finds how a graph is run on batches of any size, and how many outputs it has
 * for an example, by running it.
 *
 * A graph with a free batch axis runs on any batch as it is. One that was
 * exported for batches of a fixed size is freed of it, by scaling the leading
 * extents that stand in it as numbers. If that does not give the same values,
 * several batches of the fixed size are run at once (see `onGroups`), or, where
 * an operator does not allow that, one after the other. A graph whose batch
 * axis is free but takes single examples alone is run in batches of one.
 *
 * @throws InputError naming the node that fails; or when the output has no row
 *   for each example, or one that depends on the other examples
 */
export function batchRule(
  { path }: OnnxCheckpoint,
  program: Program,
  prunable: readonly PrunableWeight[],
  weights: Float32Array,
  tensors: ConstantTensors,
  { extents, exampleShape }: ExampleExtents,
): BatchRule {
  const [declared] = program.plan.input.shape as readonly (number | null)[];
  const random = randomStream(1, 'example inputs');
  const { ending } = program.plan;
  let endingShape: readonly number[] | null = null;
  let outputShape: readonly number[] = [];
  const noteEnding = (node: OnnxNode, [value]: readonly Value[]): void => {
    if (ending !== null && node.outputs[0] === ending.node.outputs[0]) {
      endingShape = value.shape;
    }
  };
  const outputOf = (
    weightTensors: readonly Tensor[],
    inputs: Tensor,
    options: Partial<RunOptions>,
  ): Tensor => {
    const values = new Map<string, Value>(
      prunable.map(({ name }, index) => [name, tensorValue(weightTensors[index])]),
    );
    values.set(program.plan.input.name, tensorValue(inputs));
    const output = runProgram(program, values, {
      tensors,
      ...options,
      ...(options.explain === true ? { onOutputs: noteEnding } : {}),
    });
    if (output === undefined || !program.batched.has(program.plan.output)) {
      throw new InputError('network/output-shape', `${path}: the output does not depend on the input`);
    }
    return tensorIn(output, 'first', tensors);
  };
  const rows = (result: Tensor, examples: number): Tensor2D => {
    if (result.rank === 0 || result.shape[0] !== examples) {
      throw new InputError(
        'network/output-shape',
        `${path}: output "${printable(program.plan.output)}" has the shape [${result.shape}] for ${examples} examples: prune-limit needs one row of outputs per example`,
      );
    }
    outputShape = result.shape.slice(1);
    return reshape(result, [examples, elementCount(outputShape)]) as Tensor2D;
  };
  /** Runs on random examples with the trained weights and reads the numbers. */
  const probe = (run: Run, examples: Float32Array, shape: readonly number[], count: number): Float32Array =>
    tidy(() => {
      const trained = prunable.map(({ offset, size, shape: own }) =>
        tensor(weights.slice(offset, offset + size), [...own]),
      );
      const inputs = tensor(examples.subarray(0, count * elementCount(shape)), [count, ...shape]);
      return run(trained, inputs).dataSync() as Float32Array;
    });
  const free =
    (explain: boolean): Run =>
    (weightTensors, inputs) => {
      const actual = inputs.shape[0];
      const batchScale = declared === null ? null : { declared, actual };
      return rows(outputOf(weightTensors, inputs, { batchScale, explain }), actual);
    };
  /** Batches of a size, the last one filled up with zeros. */
  const inBatches =
    (batch: number, run: (weightTensors: readonly Tensor[], whole: Tensor) => Tensor2D): Run =>
    (weightTensors, inputs) => {
      const [examples, ...shape] = inputs.shape;
      const missing = (batch - (examples % batch)) % batch;
      if (missing === 0) {
        return run(weightTensors, inputs);
      }
      const all = run(weightTensors, concat([inputs, zeros([missing, ...shape])], 0));
      return slice(all, [0, 0], [examples, all.shape[1]]) as Tensor2D;
    };
  /** Batches of a size, all at once. */
  const grouped = (batch: number, explain: boolean): Run =>
    inBatches(batch, (weightTensors, whole) => {
      const groups = whole.shape[0] / batch;
      return rows(outputOf(weightTensors, whole, { groups, explain }), whole.shape[0]);
    });
  /** Batches of a size, one after the other. */
  const pieces = (batch: number, explain: boolean): Run =>
    inBatches(batch, (weightTensors, whole) => {
      const [examples, ...shape] = whole.shape;
      const parts: Tensor2D[] = [];
      for (let start = 0; start < examples; start += batch) {
        const begin = whole.shape.map((_, axis) => (axis === 0 ? start : 0));
        const part = slice(whole, begin, [batch, ...shape]);
        const groups = declared === null ? null : 1;
        parts.push(rows(outputOf(weightTensors, part, { groups, explain }), batch));
      }
      return parts.length === 1 ? parts[0] : (concat(parts, 0) as Tensor2D);
    });

  /** One example at a time, freed of the declared batch. */
  const oneByOne =
    (explain: boolean): Run =>
    (weightTensors, inputs) =>
      concat(
        Array.from({ length: inputs.shape[0] }, (_, example) => {
          const begin = inputs.shape.map((_, axis) => (axis === 0 ? example : 0));
          return free(explain)(weightTensors, slice(inputs, begin, [1, ...inputs.shape.slice(1)]));
        }),
        0,
      );

  /** Tries the rule on examples of one shape. */
  const ruleFor = (shape: readonly number[]): BatchRule => {
    const size = elementCount(shape);
    const fixed = declared ?? 1;
    // Batches too large to be run must be freed of their size; then examples one by one say what is right.
    const tooLarge = fixed > 1 && fixed * size > MAX_BATCH_VALUES;
    const count = fixed === 1 || tooLarge ? 3 : fixed + 1;
    if (count * size > MAX_VALUES) {
      throw new InputError(
        'network/input-shape',
        `${path}: an example of shape [${shape}] is too large: export the model with the shape of its input`,
      );
    }
    const examples = Float32Array.from({ length: count * size }, () => random.normal());
    const separately = probe(tooLarge ? oneByOne(true) : pieces(fixed, true), examples, shape, count);
    const outputs = separately.length / count;
    const found = { outputs, outputShape, endingShape, note: null };
    const together = probed(free(true), examples, shape, count);
    if (isSame(together, separately)) {
      return { ...found, whole: true, run: free(false) };
    }
    if (tooLarge) {
      throw new InputError(
        'network/batch',
        `${path}: the model is written for batches of ${declared}, which is too large, and does not run on others: export it with a free batch axis`,
      );
    }
    if (declared === null && together !== null) {
      throw new InputError(
        'network/batch',
        `${path}: the output for an example depends on the other examples of its batch: prune-limit needs a network that treats examples one by one`,
      );
    }
    const isGrouped = isSame(probed(grouped(fixed, true), examples, shape, count), separately);
    const run = isGrouped ? grouped(fixed, false) : pieces(fixed, false);
    return { ...found, whole: false, run, note: declared === null ? ONE_AT_A_TIME : null };
  };
  /** What a rule gives, or null where the graph does not take it. */
  const probed = (
    run: Run,
    examples: Float32Array,
    shape: readonly number[],
    count: number,
  ): Float32Array | null => {
    try {
      return probe(run, examples, shape, count);
    } catch (error) {
      // That a graph has no row for each of several examples is its own: it would take them one by one and give one.
      if (error instanceof InputError && (declared !== null || error.code !== 'network/output-shape')) {
        return null;
      }
      throw error;
    }
  };

  if (!extents.includes(null)) {
    return ruleFor(extents as number[]);
  }
  if (exampleShape !== undefined) {
    return ruleFor(exampleShape(extents));
  }
  let failure: unknown = null;
  const shapes = TRIED_EXTENTS.map((tried) => extents.map((extent) => extent ?? tried));
  for (const shape of shapes.filter((each) => elementCount(each) <= MAX_TRIED_VALUES)) {
    try {
      return ruleFor(shape);
    } catch (error) {
      if (!(error instanceof InputError) || error.code !== 'network/onnx-node') {
        throw error;
      }
      failure ??= error;
    }
  }
  throw (
    failure ??
    new InputError(
      'network/input-shape',
      `${path}: the input shape [${extents.map((extent) => extent ?? 'free')}] is too large; export the model with the shape of its input`,
    )
  );
}
