/** Ways to damage a JSON document. */

import { mutateBytes } from './bytes.js';
import { DEPTHS, few, NUMBERS, pick } from './choices.js';

/** Every place in a JSON value: the container and the key. */
function placesOf(value) {
  const places = [];
  const visit = (container) => {
    for (const key of Object.keys(container)) {
      places.push({ container, key });
      if (typeof container[key] === 'object' && container[key] !== null) visit(container[key]);
    }
  };
  if (typeof value === 'object' && value !== null) visit(value);
  return places;
}

/** Replaced by text that JSON.stringify cannot make: nesting, numbers beyond all, a key twice. */
class Raw {
  constructor(text) {
    this.text = text;
  }
}

const HOSTILE_KEYS = ['__proto__', 'constructor', 'toString', 'length', ''];

export function hostileText(random) {
  return pick(
    ['', 'x'.repeat(100_000), 'a\nb\u001b[31m\u2028', '../../etc/passwd', '\ud800', 'NaN', '%s%n', '0'],
    random,
  );
}

/** Words that formats give a meaning to: classes, activations, options, operators. */
export const WORDS =
  `Activation Add AveragePooling2D BatchNormalization Bidirectional Concatenate Conv1D Conv2D Conv2DTranspose Cropping2D Dense
  DepthwiseConv2D Dot Dropout ELU Embedding Flatten Functional GRU GlobalAveragePooling2D InputLayer LSTM LayerNormalization LeakyReLU
  Masking MaxPooling2D Multiply PReLU Permute ReLU RepeatVector Reshape Sequential SeparableConv2D SimpleRNN Softmax TimeDistributed
  UpSampling2D ZeroPadding2D relu softmax sigmoid swish linear elu valid same causal channels_first channels_last concat sum ave
  float32 float16 int32 string bool uint8 Abs AveragePool Cast Clip Concat Constant ConstantOfShape Conv ConvTranspose Div Einsum Erf
  Exp Expand Gather Gemm GlobalAveragePool HardSigmoid Identity If InstanceNormalization LRN LayerNormalization LogSoftmax Loop MatMul
  Max MaxPool Mean Min Mul Neg Pad Pow Range ReduceMean ReduceSum Relu Resize Scan Shape Sigmoid Slice Split Sqrt Squeeze Sub
  Tanh Tile Transpose Unsqueeze Where axis axes group alpha kernel_shape pads strides dilations transB mode value to keepdims x y`.split(
    /\s+/,
  );

function nested(random) {
  const depth = pick(DEPTHS, random);
  return random.uniform() < 0.5
    ? `${'['.repeat(depth)}${']'.repeat(depth)}`
    : `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
}

function otherValue(value, places, random) {
  if (typeof value === 'string' && random.uniform() < 0.6) return pick(WORDS, random);
  if (typeof value === 'number' && random.uniform() < 0.6) return random.integer(12) - 2;
  switch (random.integer(9)) {
    case 0:
      return null;
    case 1:
      return pick([true, false], random);
    case 2:
      return pick(NUMBERS, random);
    case 3:
      return hostileText(random);
    case 4:
      return pick([[], {}, [null], { a: 1 }], random);
    case 5:
      return new Raw(pick(['1e999', '-1e999', '0.1e-999', '9'.repeat(400)], random));
    case 6:
      return new Raw(nested(random));
    case 7:
      return typeof value === 'number' ? String(value) : [value];
    default: {
      const { container, key } = pick(places, random);
      return structuredClone(container[key]);
    }
  }
}

function changeJson(value, random) {
  const places = placesOf(value).filter(({ container, key }) => !(container[key] instanceof Raw));
  if (places.length === 0) return otherValue(value, [{ container: [value], key: 0 }], random);
  const { container, key } = pick(places, random);
  const old = container[key];
  switch (random.integer(5)) {
    case 0:
      if (Array.isArray(container)) container.splice(Number(key), 1);
      else delete container[key];
      break;
    case 1:
      if (Array.isArray(container)) container.splice(Number(key), 0, structuredClone(old));
      else
        container[key] = new Raw(
          `${toText(old)},${JSON.stringify(key)}:${toText(otherValue(old, places, random))}`,
        );
      break;
    case 2:
      if (typeof old === 'number') container[key] = pick([...NUMBERS, -old, old + 1, old * 2 ** 20], random);
      else if (!Array.isArray(container)) {
        delete container[key];
        Object.defineProperty(container, pick(HOSTILE_KEYS, random), {
          value: old,
          enumerable: true,
          writable: true,
          configurable: true,
        });
      }
      break;
    default:
      container[key] = otherValue(old, places, random);
  }
  return value;
}

/** JSON text of a value that may hold `Raw`. */
function toText(value) {
  const raws = [];
  const text = JSON.stringify(value, (_, item) => {
    if (!(item instanceof Raw)) return item;
    raws.push(item.text);
    return `\u0001raw${raws.length - 1}\u0001`;
  });
  return text.replace(/"\\u0001raw(\d+)\\u0001"/g, (_, index) => raws[Number(index)]);
}

/** Keys of a JSON document removed, doubled or renamed, values of other types and sizes, deep nesting. */
export function mutateJson(bytes, random) {
  if (random.uniform() < 0.15) return mutateBytes(bytes, random);
  let value = JSON.parse(new TextDecoder().decode(bytes));
  for (let i = few(random, 3); i > 0; i--) value = changeJson(value, random);
  return new TextEncoder().encode(toText(value));
}

/** As `mutateJson`, below one key of the document alone. */
export function mutateJsonBelow(key) {
  return (bytes, random) => {
    const whole = JSON.parse(new TextDecoder().decode(bytes));
    let value = whole[key];
    for (let i = few(random, 4); i > 0; i--) value = changeJson(value, random);
    return new TextEncoder().encode(toText({ ...whole, [key]: value }));
  };
}
