/** The loss that a training configuration of tfjs or Keras names, in whichever of its forms. */
import { isObject } from './layer-entries.js';
import type { LossName } from './loss.js';

/** The loss a network was trained with. */
export interface TrainedLoss {
  /** As the framework calls it. */
  name: string;
  /** The loss here that is the same; null where there is none. */
  analysed: LossName | null;
  /** Whether it takes logits; null where the configuration does not say. */
  fromLogits: boolean | null;
  /** Options of it that are not computed with, as `label_smoothing 0.1`. */
  ignored: string[];
}

/** Losses of tfjs and Keras, in lower case without separators. */
const KNOWN: Record<string, LossName> = {
  meansquarederror: 'mse',
  mse: 'mse',
  binarycrossentropy: 'binary-cross-entropy',
  categoricalcrossentropy: 'cross-entropy',
  sparsecategoricalcrossentropy: 'cross-entropy',
};

function named(name: string, options: Record<string, unknown> = {}): TrainedLoss {
  const key = name.toLowerCase().replace(/[_-]/g, '');
  const { from_logits: fromLogits, label_smoothing: smoothing } = options;
  return {
    name,
    analysed: Object.hasOwn(KNOWN, key) ? KNOWN[key] : null,
    fromLogits: typeof fromLogits === 'boolean' ? fromLogits : null,
    ignored: typeof smoothing === 'number' && smoothing !== 0 ? [`label_smoothing ${smoothing}`] : [],
  };
}

/**
 * Reads the `loss` of a training configuration: a name, a serialised object
 * or function of Keras, or a list or record with one loss for each output.
 *
 * @returns null where it names none
 */
export function trainedLoss(loss: unknown): TrainedLoss | null {
  if (typeof loss === 'string') {
    return named(loss);
  }
  if (isObject(loss) && typeof loss.class_name === 'string') {
    if (loss.class_name === 'function' && typeof loss.config === 'string') {
      return named(loss.config);
    }
    const config = isObject(loss.config) ? loss.config : {};
    // A wrapped function carries the loss' own name in its configuration.
    const name = loss.class_name === 'LossFunctionWrapper' ? (config.fn ?? config.name) : loss.class_name;
    return named(typeof name === 'string' ? name : loss.class_name, config);
  }
  const parts = (Array.isArray(loss) ? loss : isObject(loss) ? Object.values(loss) : [])
    .map(trainedLoss)
    .filter((part) => part !== null);
  if (parts.length < 2) {
    return parts[0] ?? null;
  }
  return {
    name: parts.map(({ name }) => name).join(' and '),
    analysed: null,
    fromLogits: null,
    ignored: [],
  };
}
