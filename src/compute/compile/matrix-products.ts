import { createSession, type NativeOptions, refusal } from './native-session.js';
import { encodeOnnxModel } from './onnx-model.js';

/** A matrix of float64, row by row. */
interface DenseMatrix {
  rows: number;
  columns: number;
  values: Float64Array;
}

/** Products of matrices of any sizes in float64; its owner disposes of it. */
export interface NativeMatrixProducts {
  /**
   * A B', A.rows x B.rows; A and B have as many columns.
   *
   * @throws NotCompilableError when ONNX Runtime cannot run it
   */
  timesTransposed(left: DenseMatrix, right: DenseMatrix): Promise<Float64Array>;
  dispose(): void;
}

const NAME = 'matrix-product';

/**
 * Compiles products of matrices.
 *
 * @throws NotCompilableError when ONNX Runtime refuses
 */
export async function compileMatrixProducts(options: NativeOptions): Promise<NativeMatrixProducts> {
  const model = encodeOnnxModel({
    name: NAME,
    nodes: [{ opType: 'Gemm', inputs: ['left', 'right'], outputs: ['product'], attributes: { transB: 1 } }],
    initializers: [],
    inputs: [
      { name: 'left', type: 'float64', shape: ['leftRows', 'columns'] },
      { name: 'right', type: 'float64', shape: ['rightRows', 'columns'] },
    ],
    outputs: [{ name: 'product', type: 'float64', shape: ['leftRows', 'rightRows'] }],
  });
  await options.onModel?.(NAME, model);
  const session = await createSession(model, NAME, options);
  const { Tensor } = options.runtime;
  const tensor = ({ rows, columns, values }: DenseMatrix) => new Tensor('float64', values, [rows, columns]);
  return {
    timesTransposed: async (left, right) => {
      try {
        const { product } = await session.run({ left: tensor(left), right: tensor(right) });
        return product.data as Float64Array;
      } catch (error) {
        throw refusal(NAME, error);
      }
    },
    dispose: () => {
      session.release().catch(() => {});
    },
  };
}
