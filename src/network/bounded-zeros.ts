/** Initial values of weights that the checkpoint's replace at once. */

import { type CheckpointWeight, elementCount } from '../checkpoint/checkpoint.js';
import { InputError } from '../errors.js';
import { type DataType, serialization, type Tensor, zeros } from '../tfjs-core.js';
import { initializers } from '../tfjs-layers.js';

/** tfjs-layers exports functions that make initialisers, not their class. */
const Initializer = Object.getPrototypeOf(initializers.zeros().constructor) as new () => object;

/** Zeros, for weights of up to as many values as the largest of the checkpoint has. */
class BoundedZeros extends Initializer {
  static readonly className = 'BoundedZeros';
  readonly #mostValues: number;

  constructor({ mostValues }: { mostValues: number }) {
    super();
    this.#mostValues = mostValues;
  }

  apply(shape: number[], dtype?: DataType): Tensor {
    if (!(elementCount(shape) <= this.#mostValues)) {
      throw new InputError(
        'network/layer-size',
        `a layer declares a weight of shape [${shape.join(', ')}], but the largest of the checkpoint has ${this.#mostValues} values: model.json and its weights do not belong together`,
        { cause: new RangeError(`${elementCount(shape)} values`) },
      );
    }
    return zeros(shape, dtype);
  }

  getConfig(): { mostValues: number } {
    return { mostValues: this.#mostValues };
  }
}

serialization.registerClass(BoundedZeros as unknown as Parameters<typeof serialization.registerClass>[0]);

/** The initialiser as a topology names it. */
export function boundedZeros(mostValues: number): { class_name: string; config: { most_values: number } } {
  return { class_name: BoundedZeros.className, config: { most_values: mostValues } };
}

/** How many values the largest of some weights has. */
export function largestWeight(weights: readonly Pick<CheckpointWeight, 'shape'>[]): number {
  return weights.reduce((most, { shape }) => Math.max(most, elementCount(shape)), 0);
}
