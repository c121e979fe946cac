/** From the bytes of a weight to its values and back, and between storage types. */
import { InputError } from '../errors.js';
import { decodeFloat16, encodeFloat16 } from '../float16.js';
import {
  type Checkpoint,
  type CheckpointDtype,
  type CheckpointWeight,
  formatIndex,
  type WeightStorage,
} from './checkpoint.js';
import { printable, quoted } from './printable.js';

/** Bytes of one element as dtypes and storage types name them. */
const BYTES = { float32: 4, int32: 4, bool: 1, float16: 2, uint8: 1, uint16: 2 } as const;

/** Bytes of one element of a weight in its file. */
export function bytesPerElement(dtype: CheckpointDtype, storage: WeightStorage | null): number {
  return BYTES[storage?.dtype ?? dtype];
}

/**
 * Values of a weight from its bytes, the same bits as tfjs `io.decodeWeights` gives.
 *
 * @param bytes exactly the weight's bytes, little-endian, at any alignment
 */
export function decodeValues(
  bytes: Uint8Array,
  dtype: CheckpointDtype,
  storage: WeightStorage | null,
): CheckpointWeight['values'] {
  const buffer = new Uint8Array(bytes).buffer;
  if (storage === null) {
    if (dtype === 'float32') return new Float32Array(buffer);
    return dtype === 'int32' ? new Int32Array(buffer) : new Uint8Array(buffer);
  }
  if (storage.dtype === 'float16') return decodeFloat16(new Uint16Array(buffer));
  const { scale, min } = storage;
  const codes = storage.dtype === 'uint8' ? new Uint8Array(buffer) : new Uint16Array(buffer);
  const values = dtype === 'int32' ? new Int32Array(codes.length) : new Float32Array(codes.length);
  for (let i = 0; i < codes.length; i++) values[i] = dequantize(codes[i]!, scale, min, dtype);
  return values;
}

/** As tfjs does it: float64 arithmetic, one rounding at the end; integers by Math.round. */
function dequantize(code: number, scale: number, min: number, dtype: CheckpointDtype): number {
  const value = code * scale + min;
  return dtype === 'int32' ? Math.round(value) | 0 : Math.fround(value);
}

/**
 * Bytes of a weight, in its own storage type if every value comes back bit for bit, else as its dtype.
 *
 * @returns the bytes and the storage type that they have
 */
export function encodeValues(weight: CheckpointWeight): { bytes: Uint8Array; storage: WeightStorage | null } {
  const { storage } = weight;
  const stored = storage === null ? null : encodeExactly(weight, storage);
  const array = stored ?? weight.values;
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return { bytes, storage: stored ? storage : null };
}

function encodeExactly(weight: CheckpointWeight, storage: WeightStorage): Uint8Array | Uint16Array | null {
  const { values, dtype } = weight;
  if (storage.dtype === 'float16') {
    if (!(values instanceof Float32Array)) return null;
    const halves = encodeFloat16(values);
    const back = decodeFloat16(halves);
    return values.every((value, i) => Object.is(value, back[i])) ? halves : null;
  }
  const { scale, min } = storage;
  const codes = storage.dtype === 'uint8' ? new Uint8Array(values.length) : new Uint16Array(values.length);
  const largest = storage.dtype === 'uint8' ? 0xff : 0xffff;
  for (let i = 0; i < codes.length; i++) {
    // The code nearest in float64: if any code gives this value, this one does, a rounding boundary
    // apart, and then the weight is merely written unquantised. A scale of 0 makes it NaN: code 0.
    const code = Math.min(largest, Math.max(0, Math.round((values[i]! - min) / scale))) || 0;
    if (!Object.is(dequantize(code, scale, min, dtype), values[i]!)) return null;
    codes[i] = code;
  }
  return codes;
}

/**
 * The same checkpoint with its float32 weights in another storage type; other weights are kept as they are.
 *
 * For `float16` the values are rounded to the nearest half, ties to even, so that what runs in memory
 * is what the file will hold. Weights that do not change are shared with the input, not copied.
 *
 * @throws InputError `checkpoint/float16-overflow` for a value that float16 cannot hold
 */
export function convertStorage<C extends Checkpoint>(checkpoint: C, dtype: 'float16' | 'float32'): C {
  const weights = checkpoint.weights.map((weight): CheckpointWeight => {
    if (!(weight.values instanceof Float32Array)) return weight;
    if (dtype === 'float32') return { ...weight, storage: null };
    const values = decodeFloat16(encodeFloat16(weight.values));
    const overflow = values.findIndex((value) => !Number.isFinite(value));
    if (overflow >= 0) {
      throw new InputError(
        'checkpoint/float16-overflow',
        `weight ${quoted(weight.name)} holds ${weight.values[overflow]} at index ${formatIndex(overflow, weight.shape)}, ` +
          'which float16 (largest magnitude 65504) cannot hold; keep the weights in float32.',
      );
    }
    return { ...weight, values, storage: { dtype: 'float16' } };
  });
  return { ...checkpoint, weights };
}

/**
 * Refuses a weight that holds NaN or an infinity.
 *
 * @param path the file the message names
 * @throws InputError `checkpoint/non-finite-weight` with the index and the value
 */
export function requireFinite(weight: CheckpointWeight, path: string): void {
  const { values } = weight;
  if (!(values instanceof Float32Array)) return;
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i]!)) continue;
    throw new InputError(
      'checkpoint/non-finite-weight',
      `${printable(path)}: weight ${quoted(weight.name)} holds ${values[i]} at index ${formatIndex(i, weight.shape)}; ` +
        'every weight must be finite: the training may have diverged, or the file is damaged.',
    );
  }
}
