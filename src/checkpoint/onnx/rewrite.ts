/** Changing single fields of a protobuf file; every other byte stays as it is. */
import { onnxSchema } from '../../onnx-schema.js';
import type { WireField, WireMessage } from './wire.js';

/** What replaces fields, tags and lengths included; nothing, where they are left out. */
export type FieldEdits = Map<WireField, readonly Uint8Array[]>;

const LENGTH = 2;

/**
 * The parts of a message's content after edits, in order. Lengths are written anew for the messages around an
 * edit alone.
 */
export function rewritten(bytes: Uint8Array, message: WireMessage, edits: FieldEdits): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let kept = message.start;
  for (const field of message.fields) {
    const edit = edits.get(field);
    if (edit === undefined && !(field.message && isTouched(field.message, edits))) continue;
    parts.push(bytes.subarray(kept, field.tag));
    if (edit === undefined) {
      const content = rewritten(bytes, field.message!, edits);
      const tagEnd = varintEnd(bytes, field.tag);
      parts.push(bytes.subarray(field.tag, tagEnd), encodeVarint(totalLength(content)), ...content);
    } else parts.push(...edit);
    kept = field.end;
  }
  parts.push(bytes.subarray(kept, message.end));
  return parts;
}

function isTouched(message: WireMessage, edits: FieldEdits): boolean {
  return message.fields.some(
    (field) => edits.has(field) || (field.message !== null && isTouched(field.message, edits)),
  );
}

function varintEnd(bytes: Uint8Array, start: number): number {
  let end = start;
  while (bytes[end]! >= 0x80) end++;
  return end + 1;
}

/** Bytes of all parts together. */
export function totalLength(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

/** A whole number from 0 to 2^53 as a varint. */
export function encodeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

/** A field of a message, bytes or a packed list: tag, length and content. */
export function encodeField(type: string, name: string, content: readonly Uint8Array[]): Uint8Array[] {
  const { id } = onnxSchema.lookupType(type).fields[name]!;
  return [encodeVarint(id * 8 + LENGTH), encodeVarint(totalLength(content)), ...content];
}
