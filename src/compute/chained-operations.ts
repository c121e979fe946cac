import { type DataType, type Tensor, library as tfjs } from '../tfjs-core.js';

/** Operations that tfjs-layers calls as methods of tensors, by the name of the function that does the same. */
const METHODS = [
  'add',
  'cast',
  'concat',
  'div',
  'expandDims',
  'gather',
  'greater',
  'matMul',
  'max',
  'mean',
  'min',
  'mul',
  'neg',
  'reshape',
  'slice',
  'split',
  'squeeze',
  'step',
  'sub',
  'sum',
  'tile',
  'transpose',
  'where',
] as const;

type Method = (this: Tensor, ...parameters: unknown[]) => unknown;

/**
 * Gives tensors the operations that tfjs-layers (recurrent layers, for
 * example) calls as methods. Importing `@tensorflow/tfjs-core` in Node does
 * not, and the package that does brings every backend with it.
 */
export function registerChainedOperations(): void {
  const prototype = tfjs.Tensor.prototype as unknown as Record<string, Method | undefined>;
  const functions = tfjs as unknown as Record<string, (...parameters: unknown[]) => unknown>;
  for (const name of METHODS) {
    prototype[name] ??= function (...parameters) {
      return functions[name](this, ...parameters);
    };
  }
  prototype.flatten ??= function () {
    return tfjs.reshape(this, [this.size]);
  };
  prototype.asType ??= function (dtype) {
    return tfjs.cast(this, dtype as DataType);
  };
}
