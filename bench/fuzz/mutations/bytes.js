/** Ways to damage bytes, whatever they hold. */
import { few, INTERESTING, pick } from './choices.js';

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
