/** Networks whose weights are scaled while their function stays. */
import type { LayersCheckpoint } from '../checkpoint/checkpoint.js';
import { InputError } from '../errors.js';
import { type LayerEntry, layersOf, modelEntry } from './layer-entries.js';

/** Layers that pass a positive factor through. */
const PASSING = new Set(['InputLayer', 'Flatten', 'Reshape', 'Dropout', 'ReLU']);

function refused(why: string): InputError {
  return new InputError(
    'network/not-homogeneous',
    `weights can be scaled with the function kept in chains of dense layers with ReLU and without batch normalisation; ${why}`,
  );
}

/** The activation of a layer as a name; linear where there is none. */
function activationOf({ class_name: kind, config }: LayerEntry): string {
  if (kind === 'Activation' || kind === 'Dense') {
    return typeof config.activation === 'string' ? config.activation : 'linear';
  }
  return 'linear';
}

/** Refuses layers that a factor does not pass through. */
function denseLayers(checkpoint: LayersCheckpoint): LayerEntry[] {
  const model = modelEntry(checkpoint.topology);
  const layers = model.class_name === 'Sequential' ? layersOf(model) : null;
  if (layers === null) {
    throw refused('this model is no sequential one');
  }
  const last = layers.map(({ class_name: kind }) => kind).lastIndexOf('Dense');
  layers.forEach((layer, index) => {
    const { class_name: kind } = layer;
    const name = String(layer.config.name ?? kind);
    if (kind !== 'Dense' && kind !== 'Activation' && !PASSING.has(kind)) {
      throw refused(`layer ${name} is a ${kind}`);
    }
    if (index < last && !['relu', 'linear'].includes(activationOf(layer))) {
      throw refused(`layer ${name} has the activation ${activationOf(layer)}`);
    }
    const { max_value: max = null, threshold = 0, negative_slope: slope = 0 } = layer.config;
    if (kind === 'ReLU' && (max !== null || Number(threshold) !== 0 || Number(slope) !== 0)) {
      throw refused(`layer ${name} is a ReLU with a bound, a threshold or a slope`);
    }
  });
  return layers.filter(({ class_name: kind }) => kind === 'Dense');
}

/**
 * A network of the same function, its weights scaled: every kernel but the last by `factor`, the last by the inverse
 * of the product of these, and the biases of a layer by the product of the factors up to its own. A ReLU passes a
 * positive factor through, so that all outputs stay, to rounding.
 *
 * @param checkpoint a chain of dense layers with ReLU, without batch normalisation
 * @param factor above 0
 * @throws InputError `network/not-homogeneous` for other networks
 */
export function scaleWeights(checkpoint: LayersCheckpoint, factor: number): LayersCheckpoint {
  const dense = denseLayers(checkpoint);
  const named = new Set(dense.map(({ config }) => `${String(config.name)}/kernel`));
  const kernels = checkpoint.weights.filter(({ name }) => named.has(name)).length;
  if (kernels !== dense.length || kernels < 2) {
    throw refused(
      kernels < 2 ? 'this model has one layer with weights' : 'weights of this model have other names',
    );
  }
  const scales = new Map<string, number>();
  dense.forEach(({ config }, index) => {
    const name = String(config.name);
    const isLast = index === dense.length - 1;
    scales.set(`${name}/kernel`, isLast ? factor ** -index : factor);
    scales.set(`${name}/bias`, isLast ? 1 : factor ** (index + 1));
  });
  return {
    ...checkpoint,
    weights: checkpoint.weights.map((weight) => {
      const scale = scales.get(weight.name) ?? 1;
      return { ...weight, values: Float32Array.from(weight.values, (value) => value * scale), storage: null };
    }),
  };
}
