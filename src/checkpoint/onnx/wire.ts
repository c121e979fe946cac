/**
 * ONNX files as a tree of byte ranges: protobufjs reads the wire format (https://protobuf.dev/programming-guides/encoding),
 * the schema of ONNX says what may stand where.
 *
 * Its whole-message decoders are not used: they skip fields of the wrong wire type, make an array of numbers of
 * every list before its length can be checked, and do not say where in the file a message lies, which writing
 * changed weights back needs. Here nothing is decoded until it is asked for.
 */
import protobuf from 'protobufjs/light.js';
import { InputError } from '../../errors.js';
import { onnxSchema } from '../../onnx-schema.js';
import { printable } from '../printable.js';

/** One field of a message, where it stands in the file. */
export interface WireField {
  /** Null for a field that the schema does not know. */
  readonly name: string | null;
  /** The tag also says how a list is stored: 2 is a packed one, or a message, text or bytes. */
  readonly wireType: number;
  /** First byte of the tag. */
  readonly tag: number;
  /** First byte of the content, the length before it left out. */
  readonly start: number;
  /** Byte after the content. */
  readonly end: number;
  /** The content, for fields that hold a message. */
  readonly message: WireMessage | null;
}

/** A message, with its fields in file order. */
export interface WireMessage {
  readonly start: number;
  readonly end: number;
  readonly fields: readonly WireField[];
}

/** The bytes of a file and what errors call it. */
export interface WireSource {
  readonly bytes: Uint8Array;
  readonly path: string;
}

/**
 * Fields that one file may have. Large published networks have some 10^5 (30 per node); a crafted file has one
 * every two bytes, which takes a hundred times that in memory.
 */
const MAX_FIELDS = 2 ** 20;

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

/** Wire type of each scalar type of the schema; whatever else it names is a message. */
const SCALARS: Readonly<Record<string, number>> = {
  int32: VARINT,
  int64: VARINT,
  uint64: VARINT,
  float: FIXED32,
  double: FIXED64,
  string: LENGTH,
  bytes: LENGTH,
};

/** Messages that are skipped like unknown fields: no supported operator has such attributes. */
const SKIPPED = new Set(['Attribute.graphs', 'Attribute.tensors', 'Attribute.sparseTensor']);

/** How deep messages may nest. A branch takes three levels; exporters write two or three branches in one another. */
const MAX_DEPTH = 64;

interface FieldRule {
  name: string;
  wireType: number;
  repeated: boolean;
  /** Name of the message type; null for scalars and for what is skipped. */
  message: string | null;
}

/** The schema of one message by field number. */
function rulesOf(type: string): Map<number, FieldRule> {
  const rules = new Map<number, FieldRule>();
  for (const field of onnxSchema.lookupType(type).fieldsArray) {
    const wireType = SCALARS[field.type] ?? LENGTH;
    const isMessage = !(field.type in SCALARS) && !SKIPPED.has(`${type}.${field.name}`);
    const message = isMessage ? field.type : null;
    rules.set(field.id, { name: field.name, wireType, repeated: field.repeated, message });
  }
  return rules;
}

const RULES: ReadonlyMap<string, Map<number, FieldRule>> = new Map(
  onnxSchema.nestedArray.map(({ name }) => [name, rulesOf(name)]),
);

/** The InputError for bytes that are no ONNX model. */
export function damaged({ path }: Pick<WireSource, 'path'>, at: number, problem: string): InputError {
  return new InputError(
    'checkpoint/invalid-onnx',
    `${printable(path)} is not a valid ONNX file: ${problem} at byte ${at}; is it complete, and is it one?`,
  );
}

/** A varint as two unsigned halves, and the byte after it. */
interface Varint {
  low: number;
  high: number;
  next: number;
}

/** A reader of the bytes from `start` to `end`. */
function readerOf({ bytes }: WireSource, start: number, end: number): protobuf.Reader {
  const reader = protobuf.Reader.create(bytes);
  reader.pos = start;
  reader.len = end;
  return reader;
}

function readVarint(source: WireSource, start: number, end: number): Varint {
  const reader = readerOf(source, start, end);
  try {
    // A number where the library that holds 64 bits is not installed.
    const value: number | { low: number; high: number } = reader.uint64();
    const { low, high } =
      typeof value === 'number' ? { low: value % 2 ** 32, high: Math.floor(value / 2 ** 32) } : value;
    return { low: low >>> 0, high: high >>> 0, next: reader.pos };
  } catch (error) {
    throw damaged(
      source,
      start,
      error instanceof RangeError ? 'an integer is cut short' : 'an integer is too long',
    );
  }
}

/**
 * Reads a message and those inside it.
 *
 * @param type its name in the schema, e.g. `Model`
 * @throws InputError `checkpoint/invalid-onnx` with the byte, for anything that is not well-formed
 */
export function readMessage(source: WireSource, type: string): WireMessage {
  const counter = { fields: 0, depth: 0 };
  return readFields(source, type, 0, source.bytes.length, counter);
}

function readFields(
  source: WireSource,
  type: string,
  start: number,
  end: number,
  counter: { fields: number; depth: number },
): WireMessage {
  if (counter.depth > MAX_DEPTH) {
    throw damaged(source, start, `messages are in one another more than ${MAX_DEPTH} deep`);
  }
  counter.depth++;
  const rules = RULES.get(type)!;
  const fields: WireField[] = [];
  for (let at = start; at < end; ) {
    counter.fields++;
    if (counter.fields > MAX_FIELDS) {
      throw damaged(source, at, `it has more than the ${MAX_FIELDS} fields that are read, the last`);
    }
    const tag = readVarint(source, at, end);
    const wireType = tag.low & 7;
    const id = tag.low >>> 3;
    if (tag.high !== 0 || id === 0) throw damaged(source, at, 'a field has an impossible number');
    const rule = rules.get(id);
    checkWireType(source, at, type, rule, wireType);
    const content = contentOf(source, at, tag.next, end, wireType);
    let message: WireMessage | null = null;
    if (rule?.message) {
      if (!rule.repeated && fields.some(({ name }) => name === rule.name)) {
        throw damaged(source, at, `${type}.${rule.name} occurs twice, the second time`);
      }
      message = readFields(source, rule.message, content.start, content.end, counter);
    }
    fields.push({ name: rule?.name ?? null, wireType, tag: at, ...content, message });
    at = content.end;
  }
  counter.depth--;
  return { start, end, fields };
}

function checkWireType(
  source: WireSource,
  at: number,
  type: string,
  rule: FieldRule | undefined,
  wireType: number,
): void {
  if (rule === undefined || wireType === rule.wireType) return;
  if (rule.repeated && wireType === LENGTH) return; // a packed list
  throw damaged(source, at, `${type}.${rule.name} has wire type ${wireType} in place of ${rule.wireType}`);
}

function contentOf(
  source: WireSource,
  tag: number,
  at: number,
  end: number,
  wireType: number,
): { start: number; end: number } {
  let content: { start: number; end: number };
  if (wireType === VARINT) content = { start: at, end: readVarint(source, at, end).next };
  else if (wireType === FIXED64) content = { start: at, end: at + 8 };
  else if (wireType === FIXED32) content = { start: at, end: at + 4 };
  else if (wireType === LENGTH) {
    const { low, high, next } = readVarint(source, at, end);
    content = { start: next, end: next + high * 2 ** 32 + low };
  } else throw damaged(source, tag, `a field has wire type ${wireType}, which ONNX does not use,`);
  if (content.end > end) {
    throw damaged(
      source,
      tag,
      `a field of ${content.end - content.start} bytes passes the end of its message`,
    );
  }
  return content;
}

/** The fields of a name, in file order. */
export function fieldsOf(message: WireMessage, name: string): WireField[] {
  return message.fields.filter((field) => field.name === name);
}

/** The last field of a name, which is the one that counts where the schema has no list. */
function lastOf(message: WireMessage, name: string): WireField | undefined {
  return message.fields.findLast((field) => field.name === name);
}

/** The messages of a list, in file order. */
export function messagesOf(message: WireMessage, name: string): WireMessage[] {
  return fieldsOf(message, name).map((field) => field.message!);
}

/** The message in a field; null where there is none. */
export function messageOf(message: WireMessage, name: string): WireMessage | null {
  return lastOf(message, name)?.message ?? null;
}

/** The bytes in a field, a view into the file; null where there is none. */
export function bytesOf({ bytes }: WireSource, message: WireMessage, name: string): Uint8Array | null {
  const field = lastOf(message, name);
  return field === undefined ? null : bytes.subarray(field.start, field.end);
}

/** A text; empty where there is none. */
export function textOf(source: WireSource, message: WireMessage, name: string): string {
  const field = lastOf(message, name);
  return field === undefined ? '' : decodeText(source, field);
}

/** The texts of a list, in file order. */
export function textsOf(source: WireSource, message: WireMessage, name: string): string[] {
  return fieldsOf(message, name).map((field) => decodeText(source, field));
}

// Names that differ in invalid bytes alone would become the same name.
function decodeText(source: WireSource, { start, end }: WireField): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      source.bytes.subarray(start, end),
    );
  } catch {
    throw damaged(source, start, 'a text is not UTF-8');
  }
}

/** A signed integer, beyond 2^53 rounded; 0 where there is none, as protobuf has it. */
export function integerOf(source: WireSource, message: WireMessage, name: string): number {
  const field = lastOf(message, name);
  if (field === undefined) return 0;
  const { low, high } = readVarint(source, field.start, field.end);
  return signed(low, high);
}

function signed(low: number, high: number): number {
  return (high | 0) * 2 ** 32 + low;
}

/** A float32; 0 where there is none. */
export function floatOf(source: WireSource, message: WireMessage, name: string): number {
  const field = lastOf(message, name);
  return field === undefined ? 0 : readerOf(source, field.start, field.end).float();
}

/** Number of integers in a list, packed or not. */
export function integerCount({ bytes }: WireSource, message: WireMessage, name: string): number {
  let count = 0;
  for (const { start, end } of fieldsOf(message, name)) {
    for (let at = start; at < end; at++) count += bytes[at]! < 0x80 ? 1 : 0;
  }
  return count;
}

/** The integers of a list, beyond 2^53 rounded. */
export function integersOf(
  source: WireSource,
  message: WireMessage,
  name: string,
  sign: 'signed' | 'unsigned' = 'signed',
): Float64Array<ArrayBuffer> {
  const values = new Float64Array(integerCount(source, message, name));
  let i = 0;
  for (const { start, end } of fieldsOf(message, name)) {
    for (let at = start; at < end; ) {
      const { low, high, next } = readVarint(source, at, end);
      values[i++] = sign === 'signed' ? signed(low, high) : high * 2 ** 32 + low;
      at = next;
    }
  }
  return values;
}

/** Bytes of a list of floats or doubles, packed or not. */
export function fixedBytes(message: WireMessage, name: string): number {
  return fieldsOf(message, name).reduce((bytes, { start, end }) => bytes + end - start, 0);
}

/** The bytes of a list of floats or doubles, one after the other, in a buffer of their own. */
export function gatherFixed(source: WireSource, message: WireMessage, name: string): Uint8Array<ArrayBuffer> {
  const gathered = new Uint8Array(fixedBytes(message, name));
  let offset = 0;
  for (const { start, end } of fieldsOf(message, name)) {
    gathered.set(source.bytes.subarray(start, end), offset);
    offset += end - start;
  }
  return gathered;
}
