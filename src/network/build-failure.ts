/** What tfjs-layers says where it cannot build a model, with what helps. */
import { printable } from '../checkpoint/printable.js';
import { InputError } from '../errors.js';
import { modelEntry, type Topology } from './layer-entries.js';

/** What tfjs-layers says of a name that it does not know: `Unknown layer: Foo. This may be ...` */
const UNKNOWN = /^Unknown (\w+): (\w+)/;

/** Its own words are cut to this many characters: a line of an error has 300, file and remedy included. */
const MAX_REASON = 100;

const TO_ONNX = 'export it to ONNX, for example with tf2onnx';

/** Whether Keras 3 wrote a topology: it names the module of every class. */
export function isOfKeras3(topology: Topology): boolean {
  return /^[3-9]/.test(String(topology.keras_version ?? '')) || 'module' in modelEntry(topology);
}

/**
 * The error for a model that tfjs-layers cannot build, or not compute.
 *
 * @param path of the checkpoint
 * @param topology as it stands in model.json, a LayersModel's
 */
export function buildFailure(
  path: string,
  topology: Topology,
  error: unknown,
  what: 'build' | 'compute' = 'build',
): InputError {
  const reason = (error instanceof Error ? error.message : String(error)).split('\n')[0];
  const where = printable(path);
  const [, kind, name] = UNKNOWN.exec(reason) ?? [];
  if (kind !== undefined) {
    return new InputError(
      kind === 'layer' ? 'network/unknown-layer' : 'network/topology',
      `${where}: unknown ${kind} '${printable(name)}': prune-limit computes with the ${kind === 'layer' ? 'layers' : `${kind}s`} of tfjs-layers; use one of them, or ${TO_ONNX}`,
      { cause: error },
    );
  }
  if (/first layer in a Sequential model must get an/.test(reason)) {
    return new InputError(
      'network/topology',
      `${where}: the model does not say the shape of its input: call model.build((None, ...)), or begin it with keras.Input(shape), before it is saved`,
      { cause: error },
    );
  }
  const cut = reason.length > MAX_REASON ? `${reason.slice(0, MAX_REASON)}...` : reason;
  const remedy = /^Shape mismatch/.test(reason)
    ? 'topology and weights do not belong together; convert the model again'
    : isOfKeras3(topology)
      ? `save it with Keras 2 (TF_USE_LEGACY_KERAS=1, package tf_keras) and convert it again, or ${TO_ONNX}`
      : TO_ONNX;
  return new InputError(
    'network/topology',
    `${where}: tfjs-layers cannot ${what} this model (${printable(cut)}): ${remedy}`,
    { cause: error },
  );
}
