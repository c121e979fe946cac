/** Weight files made in memory. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../fixtures.js';

/** One tensor of a safetensors file. */
export interface MadeTensor {
  name: string;
  dtype: string;
  shape: readonly number[];
  data: ArrayBufferView;
}

/** Bytes of a safetensors file around a header text and data. */
export function safetensorsRaw(header: string | Uint8Array, data: Uint8Array, length?: bigint): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

/** Bytes of a safetensors file of tensors, one after the other. */
export function safetensors(tensors: readonly MadeTensor[], metadata?: Record<string, string>): Uint8Array {
  const header: Record<string, unknown> = metadata === undefined ? {} : { __metadata__: metadata };
  let end = 0;
  for (const { name, dtype, shape, data } of tensors) {
    header[name] = { dtype, shape, data_offsets: [end, end + data.byteLength] };
    end += data.byteLength;
  }
  const parts = tensors.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return safetensorsRaw(JSON.stringify(header), Buffer.concat(parts));
}

/** A tensor of float32. */
export function f32(name: string, shape: readonly number[], values: ArrayLike<number>): MadeTensor {
  return { name, dtype: 'F32', shape, data: Float32Array.from(values) };
}

/** A file of that content in a folder of its own. */
export function weightFile(name: string, content: Uint8Array): string {
  const path = join(temporaryDirectory(), name);
  writeFileSync(path, content);
  return path;
}
