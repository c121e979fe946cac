/** Options that tfjs-layers does not read, and computes something else without saying so. */
import { InputError } from '../errors.js';
import { isOfKeras3 } from './build-failure.js';
import { isObject, type LayerEntry, layersOf, modelEntry, type Topology } from './layer-entries.js';

/** By class of layer: options, and the values at which ignoring them changes nothing. */
const IGNORED: Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>> = {
  ReLU: { negative_slope: [0, null], threshold: [0, null] },
  Conv2DTranspose: { output_padding: [null] },
  Conv3DTranspose: { output_padding: [null] },
  GlobalAveragePooling1D: { keepdims: [false] },
  GlobalAveragePooling2D: { keepdims: [false] },
  GlobalMaxPooling1D: { keepdims: [false] },
  GlobalMaxPooling2D: { keepdims: [false] },
  LayerNormalization: { rms_scaling: [false] },
};

/**
 * Refuses options that tfjs-layers ignores, and hard_sigmoid of Keras 3: that
 * is relu6(x + 3) / 6, and tfjs computes Keras 2's, which has a slope of 0.2.
 *
 * @throws InputError naming the layer and the option
 */
export function checkIgnoredOptions(topology: Topology): void {
  const keras3 = isOfKeras3(topology);
  const visit = (layer: LayerEntry): void => {
    const { class_name: className, config } = layer;
    const fail = (what: string, instead: string): InputError =>
      new InputError(
        'network/layer-option',
        `layer '${config.name}' (${className}) has ${what}, which tfjs-layers computes ${instead}: prune-limit would analyse another network; export the model to ONNX`,
      );
    for (const [option, harmless] of Object.entries(
      Object.hasOwn(IGNORED, className) ? IGNORED[className] : {},
    )) {
      const value = config[option];
      if (value !== undefined && !harmless.includes(value)) {
        throw fail(`${option} ${JSON.stringify(value)}`, 'as if it were not there');
      }
    }
    const activations = [config.activation, config.recurrent_activation];
    if (
      keras3 &&
      activations.some((it) => it === 'hard_sigmoid' || (isObject(it) && it.config === 'hard_sigmoid'))
    ) {
      throw fail("Keras 3's hard_sigmoid", 'with the slope of Keras 2');
    }
    const inner = [config.layer, config.cell, ...(layersOf(layer) ?? [])];
    for (const entry of inner) {
      if (isObject(entry) && typeof entry.class_name === 'string' && isObject(entry.config)) {
        visit(entry as unknown as LayerEntry);
      }
    }
  };
  visit(modelEntry(topology));
}
