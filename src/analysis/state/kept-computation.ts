/** A computation whose results are kept. */
import { z } from 'zod';
import type { LinearOperator } from '../../curvature/linear-operator.js';
import type { Progress } from '../../progress.js';
import type { ExampleEvaluator } from '../computation.js';
import type { OpenedComputation, Sharding } from '../open-computation.js';
import { type AnalysisState, resultKey } from './analysis-state.js';
import { evaluationForm, numbersForm } from './kept-evaluation.js';
import { stateLanczos } from './kept-lanczos.js';

function keptEvaluator(evaluator: ExampleEvaluator, state: AnalysisState, kind: string): ExampleEvaluator {
  const { examples } = evaluator;
  const form = evaluationForm(examples);
  return {
    examples,
    at: async (weights, onExamples) => {
      const key = resultKey(`evaluation on ${examples} ${kind}`, [weights]);
      const evaluation = await state.recall(key, form, () => evaluator.at(weights, onExamples));
      onExamples?.(examples);
      return evaluation;
    },
  };
}

function keptCurvature<Operator extends LinearOperator>(
  operator: Operator,
  state: AnalysisState,
  kind: string,
): Operator {
  return {
    ...operator,
    summarize: (vector, { name, inputs = [], of }) =>
      state.recall(resultKey(`${kind}: ${name}`, [vector, ...inputs]), numbersForm, async () =>
        of(await operator.apply(vector)),
      ),
  };
}

/**
 * The computation with everything costly recalled from a state or kept in it: evaluations, the gradient, what follows
 * from products, and Lanczos runs. Keys hold how the work is cut, so that only results are taken that have the very
 * bits which would be computed.
 */
export async function keptComputation(
  computation: OpenedComputation,
  state: AnalysisState,
  progress: Pick<Progress, 'note'>,
): Promise<OpenedComputation> {
  const { train, epsilonTrain, test, curvature, lossGradient, lanczos, arithmetic, sharding } = computation;
  await tellOtherArithmetic(state, arithmetic.products, progress);
  const evaluated = (evaluator: ExampleEvaluator, of: string): ExampleEvaluator =>
    keptEvaluator(evaluator, state, `${of} examples, ${arithmetic.evaluations}`);
  const keptTrain = evaluated(train, 'training');
  const kind = `product, ${arithmetic.products}`;
  const full = lanczos.reorthogonalization === 'full';
  return {
    ...computation,
    train: keptTrain,
    epsilonTrain: epsilonTrain === train ? keptTrain : epsilonTrain && evaluated(epsilonTrain, "epsilon's"),
    test: test && evaluated(test, 'test'),
    lossGradient: async (weights) => {
      const key = resultKey(`gradient, ${arithmetic.evaluations}`, [weights]);
      const numbers = await state.recall(key, numbersForm, async () => {
        const { loss, gradient } = await lossGradient(weights);
        const lossFirst = new Float64Array(1 + gradient.length);
        lossFirst[0] = loss;
        lossFirst.set(gradient, 1);
        return lossFirst;
      });
      return { loss: numbers[0], gradient: numbers.subarray(1) };
    },
    curvature: keptCurvature(curvature, state, kind),
    sharding: sharding && (await keptSharding(sharding, state, progress)),
    keeper: stateLanczos(state, `${kind}, Lanczos ${lanczos.reorthogonalization}`, curvature.dim, full),
  };
}

const WORKERS = resultKey('workers');
const workersSchema = z.object({
  most: z.int().min(0),
  drifting: z.array(z.string().max(120)).max(10_000),
});

/** Sums over shards, of which earlier runs took what workers had computed: theirs count like those of this run. */
async function keptSharding(
  sharding: Sharding,
  { file, onWrite }: AnalysisState,
  { note }: Pick<Progress, 'note'>,
): Promise<Sharding> {
  const { workers } = sharding;
  if (workers === undefined) {
    return sharding;
  }
  const bytes = await file.read(WORKERS);
  const earlier = (bytes && readJson(workersSchema, bytes)) ?? { most: 0, drifting: [] };
  if (earlier.drifting.length > 0) {
    note(`--resume: ${earlier.drifting.length} workers of earlier runs differed in the last digits`);
  }
  const all = (): { most: number; drifting: string[] } => {
    const { most, drifting } = workers();
    return {
      most: Math.max(most, earlier.most),
      drifting: [...new Set([...earlier.drifting, ...drifting])],
    };
  };
  onWrite(() => file.put(WORKERS, [Buffer.from(JSON.stringify(all()))]));
  return { ...sharding, workers: all };
}

function readJson<T>(schema: z.ZodType<T>, bytes: Uint8Array): T | null {
  try {
    return schema.safeParse(JSON.parse(Buffer.from(bytes).toString())).data ?? null;
  } catch {
    return null;
  }
}

const ANY = resultKey('arithmetic');

/** Says where a state holds products that were cut otherwise, and none that were cut like this. */
async function tellOtherArithmetic(
  { file }: AnalysisState,
  arithmetic: string,
  { note }: Pick<Progress, 'note'>,
): Promise<void> {
  const own = resultKey(`arithmetic ${arithmetic}`);
  const last = await file.read(ANY);
  if (last !== null && file.sizeOf(own) === null) {
    note(
      `--resume: products were computed otherwise before (${Buffer.from(last).toString('utf8', 0, 80)}) than with these options (${arithmetic}); they are computed anew`,
    );
  }
  file.put(ANY, [Buffer.from(arithmetic)]);
  file.put(own, [new Uint8Array(0)]);
}
