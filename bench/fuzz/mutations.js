/** Ways to damage a file. Each takes bytes and a random stream and gives new bytes; the same stream gives the same. */

const INTERESTING = [
  0n,
  1n,
  2n,
  127n,
  128n,
  255n,
  256n,
  32767n,
  65535n,
  65536n,
  20_000_000n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

const NUMBERS = [0, -0, -1, 0.5, 1e8, 2 ** 31, 2 ** 53, 2 ** 53 + 2, 1e300, -1e300, 5e-324, 1e-8];

const DEPTHS = [3, 40, 600, 20_000];

function pick(list, random) {
  return list[random.integer(list.length)];
}

/** A number of changes: mostly one, seldom many. */
function few(random, most) {
  let count = 1;
  while (count < most && random.uniform() < 0.4) count++;
  return count;
}

function flipBits(bytes, random) {
  const out = Uint8Array.from(bytes);
  for (let i = few(random, 16); i > 0 && out.length > 0; i--)
    out[random.integer(out.length)] ^= 1 << random.integer(8);
  return out;
}

function setRun(bytes, random) {
  if (bytes.length === 0) return bytes;
  const out = Uint8Array.from(bytes);
  const start = random.integer(out.length);
  const length = 1 + random.integer(Math.min(64, out.length - start));
  const kind = random.integer(3);
  for (let i = start; i < start + length; i++)
    out[i] = kind === 0 ? 0 : kind === 1 ? 255 : random.integer(256);
  return out;
}

function truncate(bytes, random) {
  return bytes.slice(0, random.integer(bytes.length + 1));
}

function append(bytes, random) {
  const extra = Uint8Array.from({ length: 1 + random.integer(64) }, () => random.integer(256));
  return Uint8Array.from([...bytes, ...extra]);
}

/** A block is removed, doubled, or copied over or into another place. */
function splice(bytes, random) {
  if (bytes.length < 2) return append(bytes, random);
  const start = random.integer(bytes.length);
  const block = bytes.subarray(start, start + 1 + random.integer(Math.min(256, bytes.length - start)));
  const at = random.integer(bytes.length + 1);
  switch (random.integer(3)) {
    case 0:
      return Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + block.length)]);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), block, bytes.subarray(at)]);
    default:
      return Buffer.concat([bytes.subarray(0, at), block, bytes.subarray(at + block.length)]);
  }
}

/** A length or count, wherever one may be, becomes a number that is often mishandled. */
function setNumber(bytes, random) {
  const size = pick([1, 2, 4, 8], random);
  if (bytes.length < size) return append(bytes, random);
  const out = Uint8Array.from(bytes);
  const value = BigInt.asUintN(8 * size, pick(INTERESTING, random));
  const at = random.integer(out.length - size + 1);
  const little = random.uniform() < 0.5;
  for (let i = 0; i < size; i++) {
    out[at + (little ? i : size - 1 - i)] = Number((value >> BigInt(8 * i)) & 255n);
  }
  return out;
}

const ON_BYTES = [
  flipBits,
  flipBits,
  setRun,
  truncate,
  append,
  splice,
  splice,
  setNumber,
  setNumber,
  setNumber,
];

/** Bits, runs, lengths, ends and blocks of a file, whatever it holds. */
export function mutateBytes(bytes, random) {
  let out = bytes;
  for (let i = few(random, 4); i > 0; i--) out = pick(ON_BYTES, random)(out, random);
  return Uint8Array.from(out);
}

/** As `mutateBytes`, in the first bytes of a file, where headers are. */
export function mutateHead(bytes, random) {
  const head = Math.min(bytes.length, 160);
  return Buffer.concat([mutateBytes(bytes.subarray(0, head), random), bytes.subarray(head)]);
}

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

function hostileText(random) {
  return pick(
    ['', 'x'.repeat(100_000), 'a\nb\u001b[31m\u2028', '../../etc/passwd', '\ud800', 'NaN', '%s%n', '0'],
    random,
  );
}

/** Words that formats give a meaning to: classes, activations, options, operators. */
const WORDS =
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

/** Fields, separators and numbers of a text of lines. */
export function mutateText(bytes, random) {
  if (random.uniform() < 0.3) return mutateBytes(bytes, random);
  const lines = new TextDecoder().decode(bytes).split('\n');
  for (let i = few(random, 4); i > 0; i--) {
    const at = random.integer(lines.length);
    const fields = lines[at].split(',');
    const field = random.integer(fields.length);
    switch (random.integer(6)) {
      case 0:
        fields[field] = pick(
          ['', 'nan', 'inf', '-1', '1e400', '1e39', '"', '"a""b"', '0x10', '1_000', '٣', '#', ' '],
          random,
        );
        break;
      case 1:
        fields.splice(field, 1);
        break;
      case 2:
        fields.splice(field, 0, pick(['0', '"x,y"', '\u0000', '\u2028', 'x'.repeat(10_000)], random));
        break;
      case 3:
        lines.splice(at, 0, lines[random.integer(lines.length)]);
        continue;
      case 4:
        lines.splice(at, 1);
        if (lines.length === 0) lines.push('');
        continue;
      default:
        fields[field] = hostileText(random);
    }
    lines[at] = fields.join(pick([',', ',', ',', ';', '\t'], random));
  }
  return new TextEncoder().encode(lines.join(pick(['\n', '\n', '\r\n', '\r'], random)));
}

function readVarint(bytes, start) {
  let value = 0n;
  for (let i = 0; i < 10 && start + i < bytes.length; i++) {
    value |= BigInt(bytes[start + i] & 127) << BigInt(7 * i);
    if (bytes[start + i] < 128) return { value, end: start + i + 1 };
  }
  return null;
}

function varint(value) {
  const out = [];
  let rest = value;
  do {
    out.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(out);
}

/** The fields of a protobuf message; null for bytes that are none. */
function fieldsOf(bytes) {
  const fields = [];
  for (let at = 0; at < bytes.length; ) {
    const key = readVarint(bytes, at);
    if (key === null || key.value >> 3n === 0n) return null;
    const wire = Number(key.value & 7n);
    const number = key.value >> 3n;
    if (wire === 0) {
      const read = readVarint(bytes, key.end);
      if (read === null) return null;
      fields.push({ number, wire, value: read.value });
      at = read.end;
    } else if (wire === 2) {
      const length = readVarint(bytes, key.end);
      if (length === null || length.end + Number(length.value) > bytes.length) return null;
      at = length.end + Number(length.value);
      fields.push({ number, wire, value: bytes.subarray(length.end, at) });
    } else if (wire === 5 || wire === 1) {
      const size = wire === 5 ? 4 : 8;
      if (key.end + size > bytes.length) return null;
      fields.push({ number, wire, value: bytes.subarray(key.end, key.end + size) });
      at = key.end + size;
    } else return null;
  }
  return fields;
}

function encodeFields(fields) {
  return Buffer.concat(
    fields.flatMap(({ number, wire, value }) => {
      const key = varint((number << 3n) | BigInt(wire));
      if (wire === 0) return [key, varint(value)];
      return wire === 2 ? [key, varint(BigInt(value.length)), value] : [key, value];
    }),
  );
}

function changeMessage(bytes, random) {
  const fields = fieldsOf(bytes);
  if (fields === null || fields.length === 0) return mutateBytes(bytes, random);
  const at = random.integer(fields.length);
  const field = fields[at];
  if (
    field.wire === 2 &&
    field.value.length > 2 &&
    random.uniform() < 0.75 &&
    fieldsOf(field.value) !== null
  ) {
    field.value = changeMessage(field.value, random);
    return encodeFields(fields);
  }
  switch (random.integer(7)) {
    case 0:
      fields.splice(at, 1);
      break;
    case 1:
      fields.splice(at, 0, field);
      break;
    case 2:
      field.number = BigInt(1 + random.integer(20));
      break;
    case 3: {
      // the field within itself, again and again
      let inner = field.wire === 2 ? field.value : varint(0n);
      for (let depth = pick([3, 40, 2000], random); depth > 0; depth--) {
        inner = encodeFields([{ number: field.number, wire: 2, value: inner }]);
        if (inner.length > 20_000) break;
      }
      fields[at] = { number: field.number, wire: 2, value: inner };
      break;
    }
    case 4:
      if (field.wire === 0) field.value = BigInt.asUintN(64, BigInt(random.integer(12) - 2));
      else if (field.wire === 2) field.value = new TextEncoder().encode(pick(WORDS, random));
      break;
    default:
      if (field.wire === 0) field.value = BigInt.asUintN(64, pick([...INTERESTING, -field.value], random));
      else
        field.value = mutateBytes(field.value, random).subarray(
          0,
          field.wire === 2 ? undefined : field.value.length,
        );
      if (field.wire === 5 || field.wire === 1)
        field.value = Buffer.concat([field.value, new Uint8Array(8)]).subarray(0, field.wire === 5 ? 4 : 8);
  }
  return encodeFields(fields);
}

/** Fields of a protobuf message, at any depth, removed, doubled, renumbered, nested or given other values; lengths stay right. */
export function mutateMessage(bytes, random) {
  if (random.uniform() < 0.2) return mutateBytes(bytes, random);
  let out = bytes;
  for (let i = few(random, 3); i > 0; i--) out = changeMessage(out, random);
  return Uint8Array.from(out);
}

/** Mutates what `unpack` takes out of a file and `pack` puts back, checksums and lengths made anew. */
export function mutateInside(unpack, mutate, pack) {
  return (bytes, random) => pack(mutate(unpack(bytes, random), random), bytes);
}
