/** The calls between the layers of a functional model, checked before tfjs-layers follows them. */
import { quoted } from '../checkpoint/printable.js';
import { InputError } from '../errors.js';
import { type LayerEntry, layersOf, modelEntry, type Topology } from './layer-entries.js';

/** The largest networks of Keras have some thousand layers; tfjs-layers passes over all of them for each that stands too early. */
const MAX_LAYERS = 10_000;

/** A call of a layer: the outputs that it takes, by the layer and the number of that layer's call. */
interface Call {
  layer: string;
  takes: { layer: string; call: number }[];
}

function callsOf(layer: LayerEntry): Call[] {
  const nodes = Array.isArray(layer.inbound_nodes) ? layer.inbound_nodes : [];
  return nodes.map((node: unknown) => ({
    layer: String(layer.name),
    takes: (Array.isArray(node) ? node : []).map((reference: unknown) => {
      const [name, call] = Array.isArray(reference) ? reference : [];
      return { layer: String(name), call: Number(call) || 0 };
    }),
  }));
}

function check(model: LayerEntry): void {
  const layers = layersOf(model) ?? [];
  layers.forEach(check);
  if (model.class_name === 'Sequential') {
    return;
  }
  if (layers.length > MAX_LAYERS) {
    throw new InputError(
      'network/topology',
      `the model has ${layers.length} layers; prune-limit builds networks of up to ${MAX_LAYERS}`,
    );
  }
  // A model has a call of its own, from which it was made, and so does an input.
  const made = new Map(
    layers.map((layer) => [
      String(layer.name),
      layer.class_name === 'InputLayer' || layersOf(layer) !== null ? 1 : 0,
    ]),
  );
  let open = layers.flatMap(callsOf);
  while (open.length > 0) {
    const waiting = open.filter(({ layer, takes }) => {
      const ready = takes.every(({ layer: from, call }) => (made.get(from) ?? 0) > call);
      if (ready && takes.length > 0) made.set(layer, (made.get(layer) ?? 0) + 1);
      return !ready;
    });
    if (waiting.length === open.length) {
      const { layer, takes } = waiting[0]!;
      const missing = takes.find(({ layer: from, call }) => (made.get(from) ?? 0) <= call)!;
      throw new InputError(
        'network/topology',
        `layer ${quoted(layer)} takes an output of ${quoted(missing.layer)} that is never computed: model.json is damaged or was not written by tfjs or its converter; save the model again`,
      );
    }
    open = waiting;
  }
}

/**
 * Refuses a functional model whose layers take what no layer gives, or each other's outputs in a circle:
 * tfjs-layers looks for these without end.
 *
 * @param topology in Keras 2's form
 * @throws InputError naming the layer and what it takes
 */
export function checkLayerGraph(topology: Topology): void {
  check(modelEntry(topology));
}
