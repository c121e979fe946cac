/** Ways to damage a protobuf message. */

import { mutateBytes } from './bytes.js';
import { few, INTERESTING, pick } from './choices.js';
import { WORDS } from './json.js';

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
