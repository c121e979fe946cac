import { compiledBySize } from '../compute/compile/compiled-by-size.js';
import type { NativeProgram, NativeTensor } from '../compute/compile/native-session.js';
import type { SplitProgram, TracedProgram } from '../compute/compile/program.js';
import type { NativeBatches, NativeSetting } from './native-batches.js';
import { accumulate, flatInputs, scaled, vectorInputs } from './native-programs.js';
import type { ProductPlan } from './product-plan.js';
import type { CurvatureKind, CurvatureOperator } from './products.js';
import { sharedPass } from './shared-pass.js';

type Tensors = Record<string, NativeTensor>;

/** Runs the product of one batch with a direction. */
type BatchProduct = (direction: Tensors) => Promise<Tensors>;

/**
 * The Hessian or Gauss-Newton matrix at the trained weights, by native
 * programs.
 *
 * @param program `product` of {@link LossPrograms}
 * @param batches of `plan.batchSize` examples
 * @throws NotCompilableError when the program cannot be compiled
 */
export async function nativeCurvatureOperator(
  setting: NativeSetting,
  kind: CurvatureKind,
  program: TracedProgram,
  batches: NativeBatches,
  plan: ProductPlan,
): Promise<CurvatureOperator> {
  const { network, options } = setting;
  const variable = vectorInputs(network);
  const fixed = flatInputs(setting, 'w', network.weights);
  const whole = compiledBySize<NativeProgram>((size) => program.compile(size, options));
  const [plain, unfolded] = [false, true].map((keepUnfolded) =>
    compiledBySize<SplitProgram>((size) => program.compileSplit(size, variable, keepUnfolded, options)),
  );
  const splitOf = (index: number): typeof plain =>
    index < plan.unfoldedBatches || (index >= plan.keptBatches && plan.recomputesUnfolded) ? unfolded : plain;
  await (plan.name === 'whole' ? whole : splitOf(0)).of(Math.min(plan.batchSize, batches.examples));
  const shared = new Map<number, Tensors>();

  const wholeProduct = async (size: number, x: NativeTensor, y: NativeTensor): Promise<BatchProduct> => {
    const { run } = await whole.of(size);
    return (direction) => run({ ...fixed, ...direction, x, y });
  };
  const splitProduct = async (
    size: number,
    x: NativeTensor,
    y: NativeTensor,
    index: number,
  ): Promise<BatchProduct> => {
    const { prologue, step } = await splitOf(index).of(size);
    const known = shared.get(index) ?? (await prologue.run({ ...fixed, x, y }));
    if (index < plan.keptBatches) {
      shared.set(index, known);
    }
    return (direction) => step.run({ ...known, ...direction });
  };
  const batchProduct = plan.name === 'whole' ? wholeProduct : splitProduct;

  return {
    kind,
    dim: network.dimension,
    positiveSemidefinite: kind === 'ggn',
    apply: sharedPass(async (vectors) => {
      const directions = vectors.map((vector) => flatInputs(setting, 'v', vector));
      const totals = vectors.map(() => new Float64Array(network.dimension));
      await batches.forEach(async ({ size, x, y }, index) => {
        const product = await batchProduct(size, x, y, index);
        for (const [i, direction] of directions.entries()) {
          accumulate(setting, await product(direction), totals[i]);
        }
      });
      return totals.map((total) => scaled(total, 1 / batches.examples));
    }),
    dispose: () => {
      shared.clear();
      for (const programs of [whole, plain, unfolded]) {
        programs.dispose();
      }
    },
  };
}
