/**
 * Which layers of a LayersModel take flattened images. Keras flattens them with the channels last, torch with the
 * channels first, so weights over such features change their order, not only their axes.
 */

interface Layer {
  className: string;
  config: Record<string, unknown>;
  /** Names of the layers before it; null where they are not known. */
  inputs: string[] | null;
}

/** What comes out of a layer. */
interface Features {
  /** Without the batch axis, channels last; null where it is not known. */
  shape: number[] | null;
  /** The shape of the images that the features were flattened from; null: they were not. */
  image: number[] | 'unknown' | null;
}

const UNKNOWN: Features = { shape: null, image: null };

/** Layers that treat every feature by itself. */
const FEATUREWISE =
  /^(InputLayer|Activation|ReLU|LeakyReLU|ELU|PReLU|ThresholdedReLU|Softmax|\w*Dropout\w*|GaussianNoise|\w*Normalization|Add|Average|Maximum|Minimum|Multiply|Subtract)$/;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The layers whose input, or a part of it, is a flattened image.
 *
 * @param topology `modelTopology` of a model.json; what goes into a model within it counts as not known
 * @returns by name the shape [...window, channels] before flattening; `unknown` where the topology does not tell
 */
export function flattenedFeatures(topology: Record<string, unknown>): Map<string, number[] | 'unknown'> {
  const model = isRecord(topology.model_config) ? topology.model_config : topology;
  const found = new Map<string, number[] | 'unknown'>();
  const outputs = new Map<string, Features>();
  for (const [name, layer] of readLayers(model)) {
    if (isModel(layer)) {
      const inner = flattenedFeatures({ class_name: layer.className, config: layer.config });
      for (const [innerName, image] of inner) found.set(innerName, image);
    }
    const before = layer.inputs?.map((input) => outputs.get(input) ?? UNKNOWN) ?? [UNKNOWN];
    const input = before.find(({ image }) => image !== null) ?? before[0] ?? UNKNOWN;
    if (input.image !== null) found.set(name, input.image);
    outputs.set(name, outputOf(layer, input));
  }
  return found;
}

/** Layers in file order, in which a layer stands after those that it takes. */
function readLayers(model: Record<string, unknown>): Map<string, Layer> {
  const config = model.config;
  const listed = Array.isArray(config) ? config : isRecord(config) ? config.layers : null;
  const layers = new Map<string, Layer>();
  let previous: string[] = [];
  for (const entry of Array.isArray(listed) ? listed : []) {
    if (!isRecord(entry) || !isRecord(entry.config)) continue;
    const name = String(entry.name ?? entry.config.name);
    const inputs = model.class_name === 'Sequential' ? previous : inboundLayers(entry.inbound_nodes);
    layers.set(name, { className: String(entry.class_name), config: entry.config, inputs });
    previous = [name];
  }
  return layers;
}

function isModel({ config }: Layer): boolean {
  return Array.isArray(config.layers);
}

/** The layers of `[[["conv", 0, 0, {}], ...]]`; null for a layer that is called more than once. */
function inboundLayers(nodes: unknown): string[] | null {
  if (!Array.isArray(nodes) || nodes.length > 1) return null;
  const calls: unknown = nodes[0] ?? [];
  if (!Array.isArray(calls)) return null;
  return calls.map((call) => (Array.isArray(call) ? String(call[0]) : ''));
}

function outputOf({ className, config }: Layer, { shape, image }: Features): Features {
  const declared = config.batch_input_shape ?? config.batch_shape;
  const from = Array.isArray(declared) ? declared.slice(1).map(Number) : shape;
  if (FEATUREWISE.test(className)) return { shape: from, image };
  const target = className === 'Reshape' && Array.isArray(config.target_shape) ? config.target_shape : null;
  if (className === 'Flatten' || target?.length === 1) {
    if (from === null) return { shape: null, image: 'unknown' };
    if (from.length === 1) return { shape: from, image };
    const known = config.data_format !== 'channels_first' && from.every((size) => size > 0);
    return { shape: [from.reduce((a, b) => a * b, 1)], image: known ? from : 'unknown' };
  }
  if (image !== null && className !== 'Dense') return { shape: null, image: 'unknown' };
  if (target !== null) return { shape: target.map(Number), image: null };
  if (from === null) return UNKNOWN;
  if (className === 'Dense') return { shape: [...from.slice(0, -1), Number(config.units)], image: null };
  if (className.startsWith('Global')) return { shape: from.slice(-1), image: null };
  if (config.data_format === 'channels_first') return UNKNOWN;
  const channels = channelsOf(className, config, from.at(-1)!);
  const window = channels && windowOf(className, config, from.slice(0, -1));
  return window && channels ? { shape: [...window, channels], image: null } : UNKNOWN;
}

function channelsOf(className: string, config: Record<string, unknown>, inputs: number): number | null {
  if (/^(Separable)?Conv[123]D$|^Conv[23]DTranspose$/.test(className)) return Number(config.filters);
  if (className === 'DepthwiseConv2D') return inputs * Number(config.depth_multiplier ?? 1);
  return /^(Max|Average)Pooling[123]D$|^ZeroPadding2D$/.test(className) ? inputs : null;
}

/** Sizes of the output window of convolution, pooling and padding, as Keras documents them. */
function windowOf(className: string, config: Record<string, unknown>, sizes: number[]): number[] {
  if (className === 'ZeroPadding2D') {
    const padding = sizes.map((_, axis) => [at(config.padding ?? 1, axis)].flat().map(Number));
    return sizes.map((size, axis) => {
      const [before, after] = padding[axis]!;
      return size + before! + (after ?? before!);
    });
  }
  const kernel = config.kernel_size ?? config.pool_size;
  const strides = config.strides ?? (config.pool_size === undefined ? 1 : kernel);
  return sizes.map((size, axis) => {
    const stride = Number(at(strides, axis));
    const reach = (Number(at(kernel, axis)) - 1) * Number(at(config.dilation_rate ?? 1, axis)) + 1;
    if (className.endsWith('Transpose')) {
      return size * stride + (config.padding === 'same' ? 0 : Math.max(reach - stride, 0));
    }
    if (config.padding === 'same') return Math.ceil(size / stride);
    return Math.floor((size - reach) / stride) + 1;
  });
}

/** One number for all axes, or one for each. */
function at(sizes: unknown, axis: number): unknown {
  return Array.isArray(sizes) ? sizes[axis] : sizes;
}
