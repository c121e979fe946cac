import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Checkpoint, CheckpointWeight, WeightStorage } from '../../src/checkpoint/checkpoint.js';
import { formatIndex } from '../../src/checkpoint/checkpoint.js';
import { convertStorage, decodeValues, encodeValues } from '../../src/checkpoint/quantization.js';
import { decodeFloat16 } from '../../src/float16.js';
import { bitsOf, expectInputError } from './fixtures.js';

const EVERY_CODE = {
  uint8: Uint8Array.from({ length: 256 }, (_, i) => i),
  uint16: Uint16Array.from({ length: 65536 }, (_, i) => i),
  float16: Uint16Array.from({ length: 65536 }, (_, i) => i),
};

function weightOf(values: CheckpointWeight['values'], storage: WeightStorage | null): CheckpointWeight {
  const dtype = values instanceof Float32Array ? 'float32' : values instanceof Int32Array ? 'int32' : 'bool';
  return { name: 'w', shape: [values.length], dtype, values, storage };
}

describe('decodeValues', () => {
  const cases: { dtype: 'float32' | 'int32'; storage: WeightStorage }[] = [
    { dtype: 'float32', storage: { dtype: 'float16' } },
    { dtype: 'float32', storage: { dtype: 'uint8', scale: 0.0123456789, min: -1.537 } },
    { dtype: 'float32', storage: { dtype: 'uint8', scale: 1 / 3, min: -1e-7 } },
    { dtype: 'float32', storage: { dtype: 'uint16', scale: 3.1e-5, min: -1.0158 } },
    { dtype: 'float32', storage: { dtype: 'uint16', scale: 1e-42, min: -3e-40 } },
    { dtype: 'int32', storage: { dtype: 'uint8', scale: 0.5, min: -31.5 } },
    { dtype: 'int32', storage: { dtype: 'uint16', scale: 1.7, min: -50000.25 } },
  ];

  it.each(cases)('gives the bits of tfjs for every code: $dtype as $storage', async ({ dtype, storage }) => {
    const codes = EVERY_CODE[storage.dtype];
    const spec = { name: 'w', shape: [codes.length], dtype, quantization: storage };
    const tensor = tf.io.decodeWeights(codes.slice().buffer, [spec]).w!;
    const expected = (await tensor.data()) as Float32Array;
    tensor.dispose();
    const got = decodeValues(bitsOf(codes), dtype, storage);
    expect(got.constructor).toBe(expected.constructor);
    expect(Buffer.compare(bitsOf(got), bitsOf(expected))).toBe(0);
  });

  it('reads from any alignment', () => {
    const bytes = new Uint8Array(9);
    bytes.set(bitsOf(Float32Array.of(1.5, -2)), 1);
    expect([...decodeValues(bytes.subarray(1), 'float32', null)]).toEqual([1.5, -2]);
  });
});

describe('encodeValues', () => {
  const storages = fc.oneof(
    fc.constant<WeightStorage>({ dtype: 'float16' }),
    fc.record({
      dtype: fc.constantFrom('uint8' as const, 'uint16' as const),
      scale: fc.double({ min: -2, max: 2, noNaN: true }),
      min: fc.double({ min: -100, max: 100, noNaN: true }),
    }),
  );

  it('never loses a bit, whatever the values and the storage', () => {
    const floats = fc.float32Array({ noNaN: true, noDefaultInfinity: true, maxLength: 20 });
    const halves = fc
      .array(fc.integer({ min: 0, max: 0x7bff }))
      .map((codes) => decodeFloat16(Uint16Array.from(codes)));
    const integers = fc.int32Array({ maxLength: 20 });
    fc.assert(
      fc.property(fc.oneof(floats, halves, integers), fc.option(storages), (values, storage) => {
        const weight = weightOf(values, storage);
        const encoded = encodeValues(weight);
        const back = decodeValues(encoded.bytes, weight.dtype, encoded.storage);
        expect(bitsOf(back)).toEqual(bitsOf(values));
      }),
    );
  });

  it('keeps the storage of values that came from it', () => {
    for (const storage of [
      { dtype: 'float16' },
      { dtype: 'uint8', scale: 0.01, min: -1.3 },
      { dtype: 'uint16', scale: 1e-4, min: -3 },
    ] as const) {
      const finite =
        storage.dtype === 'float16' ? EVERY_CODE.float16.slice(0, 0x7c00) : EVERY_CODE[storage.dtype];
      const encoded = encodeValues(weightOf(decodeValues(bitsOf(finite), 'float32', storage), storage));
      expect(encoded.storage).toBe(storage);
      expect(Buffer.compare(encoded.bytes, bitsOf(finite))).toBe(0);
    }
  });

  it.each<[string, number, WeightStorage]>([
    ['a value between two codes', 0.005, { dtype: 'uint8', scale: 0.01, min: 0 }],
    ['a value out of range', 3, { dtype: 'uint8', scale: 0.01, min: 0 }],
    ['minus zero', -0, { dtype: 'uint8', scale: 0.01, min: 0 }],
    ['a scale of zero', 1, { dtype: 'uint16', scale: 0, min: 0 }],
    ['a value that is no half', 0.1, { dtype: 'float16' }],
    ['a value beyond the halves', 1e6, { dtype: 'float16' }],
  ])('falls back to float32 for %s', (_name, value, storage) => {
    const values = Float32Array.of(0.01, value);
    expect(encodeValues(weightOf(values, storage))).toEqual({ bytes: bitsOf(values), storage: null });
  });

  it('writes a constant weight with scale 0', () => {
    const encoded = encodeValues(weightOf(Float32Array.of(0.5, 0.5), { dtype: 'uint8', scale: 0, min: 0.5 }));
    expect(encoded.bytes).toEqual(Uint8Array.of(0, 0));
  });
});

describe('convertStorage', () => {
  const checkpoint: Checkpoint = {
    format: 'tfjs-layers',
    path: '',
    sha256: '',
    topology: {},
    weights: [
      {
        ...weightOf(Float32Array.of(0.1, -1e-8, 65519, 2049), { dtype: 'uint8', scale: 1, min: 0 }),
        shape: [2, 2],
      },
      weightOf(Int32Array.of(100_000), null),
    ],
    metadata: {},
    manifestGroups: [2],
    extra: {},
  };

  it('rounds to the nearest half and leaves integers and the input alone', () => {
    const converted = convertStorage(checkpoint, 'float16');
    expect(converted.weights[0]).toEqual({
      ...checkpoint.weights[0],
      values: Float32Array.of(0.0999755859375, -0, 65504, 2048),
      storage: { dtype: 'float16' },
    });
    expect(converted.weights[1]).toBe(checkpoint.weights[1]);
    expect(checkpoint.weights[0]!.values[0]).toBe(Math.fround(0.1));
    expect(encodeValues(converted.weights[0]!).storage).toEqual({ dtype: 'float16' });
  });

  it('drops the storage for float32', () => {
    const [weight] = convertStorage(checkpoint, 'float32').weights;
    expect(weight).toEqual({ ...checkpoint.weights[0], storage: null });
  });

  it('refuses what float16 cannot hold', async () => {
    const weights = [
      { ...weightOf(Float32Array.of(1, 2, 3, -65520), null), name: 'fc/kernel', shape: [2, 2] },
    ];
    const convert = async () => convertStorage({ ...checkpoint, weights }, 'float16');
    await expectInputError(convert(), 'checkpoint/float16-overflow', '"fc/kernel"', '-65520', '[1, 1]');
  });
});

describe('formatIndex', () => {
  it.each([
    [0, [], '[]'],
    [5, [6], '[5]'],
    [23, [2, 3, 4], '[1, 2, 3]'],
    [4, [2, 3], '[1, 1]'],
  ])('%i in %j is %s', (position, shape, expected) => {
    expect(formatIndex(position, shape)).toBe(expected);
  });
});
