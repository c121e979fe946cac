/** Small files of weights, for the sequential model. */

import { bytesOf, encoder, normals, npy, sizeOf, zip } from './basics.js';
import { SEQUENTIAL_SHAPES } from './layers.js';

/** A safetensors file around a header and data. */
export function safetensorsOf(header, data) {
  const text = typeof header === 'string' ? encoder.encode(header) : header;
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  return Uint8Array.from(Buffer.concat([length, text, data]));
}

/** The weights of the sequential model as torch would save a part of them pruned. */
export function safetensorsFile() {
  const header = { __metadata__: { format: 'pt', 'bn/beta': 'bn/gamma' } };
  const parts = [];
  let end = 0;
  const put = (name, shape, values = normals(sizeOf(shape), name)) => {
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + values.byteLength] };
    end += values.byteLength;
    parts.push(bytesOf(values));
  };
  for (const [name, shape] of Object.entries(SEQUENTIAL_SHAPES)) {
    if (name === 'bn/beta') continue;
    if (name === 'out/bias') {
      put('out/bias_orig', shape);
      put('out/bias_mask', shape, Float32Array.of(1, 0));
    } else put(name, shape);
  }
  return safetensorsOf(JSON.stringify(header), Buffer.concat(parts));
}

/** The same weights as NumPy saves them. */
export function weightArchive() {
  return zip(
    Object.fromEntries(
      Object.entries(SEQUENTIAL_SHAPES).map(([name, shape]) => [
        `${name.replace('/', '.')}.npy`,
        npy('<f4', shape, normals(sizeOf(shape), name)),
      ]),
    ),
  );
}
