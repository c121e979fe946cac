import { ONNX_TYPES } from '../../onnx-schema.js';
import { createSession, type NativeOptions, refusal } from './native-session.js';
import { encodeOnnxModel } from './onnx-model.js';

/** Coefficients of a vector on rows, and what is left of it without the rows combined by them. */
export interface RowProducts {
  /** V'x, one a row. */
  coefficients: Float32Array;
  /** x - V V'x */
  remainder: Float32Array;
}

/** Products with a matrix given by its rows, of any number. */
export interface RowProjector {
  /** Length at which rows and vectors of a length must be stored, filled up with zeros. */
  paddedLength(length: number): number;
  /**
   * @param rows the rows of V', one after the other, each as long as `x`; not copied
   * @param x of a padded length
   * @throws NotCompilableError when ONNX Runtime cannot run it
   */
  project(rows: Float32Array, x: Float32Array): Promise<RowProducts>;
  dispose(): void;
}

const NAME = 'row-projection';

/**
 * Entries whose products are summed in float32; the sums of segments are
 * summed in float64. Whole vectors of 266,200 entries, whose parts cancel,
 * would have errors of 1e-5, a hundred times those of segments.
 */
const SEGMENT = 4096;

/**
 * Both products are of a matrix and one vector: they read the rows at the
 * speed of the memory, with all threads. `rows` and `wholeRows` are the same
 * numbers; the batch of segments is the middle axis of `rows`, which
 * `transBatchA` takes as it lies.
 */
function projectionModel(): Uint8Array {
  return encodeOnnxModel({
    name: NAME,
    nodes: [
      {
        opType: 'com.microsoft.FusedMatMul',
        inputs: ['rows', 'x'],
        outputs: ['partial'],
        attributes: { transBatchA: 1 },
      },
      { opType: 'Cast', inputs: ['partial'], outputs: ['wide'], attributes: { to: ONNX_TYPES.float64 } },
      { opType: 'ReduceSum', inputs: ['wide', 'segmentAxis'], outputs: ['sum'], attributes: { keepdims: 0 } },
      { opType: 'Cast', inputs: ['sum'], outputs: ['coefficients'], attributes: { to: ONNX_TYPES.float32 } },
      // Not a Transpose: that would become part of the product and slow it down by half.
      { opType: 'Reshape', inputs: ['coefficients', 'rowShape'], outputs: ['row'], attributes: {} },
      { opType: 'MatMul', inputs: ['row', 'wholeRows'], outputs: ['combination'], attributes: {} },
      { opType: 'Reshape', inputs: ['x', 'rowShape'], outputs: ['whole'], attributes: {} },
      { opType: 'Sub', inputs: ['whole', 'combination'], outputs: ['remainder'], attributes: {} },
    ],
    initializers: [
      { name: 'segmentAxis', type: 'int64', shape: [1], data: BigInt64Array.of(0n) },
      { name: 'rowShape', type: 'int64', shape: [2], data: BigInt64Array.of(1n, -1n) },
    ],
    inputs: [
      { name: 'rows', type: 'float32', shape: ['count', 'segments', 'segment'] },
      { name: 'wholeRows', type: 'float32', shape: ['count', 'length'] },
      { name: 'x', type: 'float32', shape: ['segments', 'segment', 1] },
    ],
    outputs: [
      { name: 'coefficients', type: 'float32', shape: ['count', 1] },
      { name: 'remainder', type: 'float32', shape: [1, 'length'] },
    ],
  });
}

/**
 * Compiles the products that orthogonalise a vector against rows.
 *
 * @throws NotCompilableError when ONNX Runtime refuses
 */
export async function compileRowProjector(options: NativeOptions): Promise<RowProjector> {
  const model = projectionModel();
  await options.onModel?.(NAME, model);
  const session = await createSession(model, NAME, options);
  const { Tensor } = options.runtime;
  return {
    paddedLength: (length) => (length <= SEGMENT ? length : Math.ceil(length / SEGMENT) * SEGMENT),
    project: async (rows, x) => {
      const segments = Math.ceil(x.length / SEGMENT);
      const segment = x.length / segments;
      const count = rows.length / x.length;
      const feeds = {
        rows: new Tensor('float32', rows, [count, segments, segment]),
        wholeRows: new Tensor('float32', rows, [count, x.length]),
        x: new Tensor('float32', x, [segments, segment, 1]),
      };
      try {
        const { coefficients, remainder } = await session.run(feeds);
        return {
          coefficients: coefficients.data as Float32Array,
          remainder: remainder.data as Float32Array,
        };
      } catch (error) {
        throw refusal(NAME, error);
      }
    },
    dispose: () => {
      session.release().catch(() => {});
    },
  };
}
