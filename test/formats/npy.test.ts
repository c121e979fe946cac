import { describe, expect, it } from 'vitest';
import { parseNpy } from '../../src/formats/npy.js';
import { expectInputError, npy, npyHeader, npyRaw } from '../dataset/support.js';

describe('parseNpy', () => {
  it.each<[string, number[], Parameters<typeof npy>[2]]>([
    ['|b1', [0, 1], Uint8Array.of(0, 1)],
    ['|u1', [0, 255], Uint8Array.of(0, 255)],
    ['|i1', [-128, 127], Int8Array.of(-128, 127)],
    ['<i2', [-32768, 1], Int16Array.of(-32768, 1)],
    ['<i4', [-(2 ** 31), 1], Int32Array.of(-(2 ** 31), 1)],
    ['<i8', [-(2 ** 40), 7], BigInt64Array.of(-(2n ** 40n), 7n)],
    ['<u2', [65535, 1], Uint16Array.of(65535, 1)],
    ['<u4', [2 ** 32 - 1, 1], Uint32Array.of(2 ** 32 - 1, 1)],
    ['<f4', [0.5, -2], Float32Array.of(0.5, -2)],
    ['<f8', [0.1, -2], Float64Array.of(0.1, -2)],
    // 1, -2, the largest, the smallest subnormal
    ['<f2', [1, -2, 65504, 2 ** -24], Uint16Array.of(0x3c00, 0xc000, 0x7bff, 1)],
  ])('reads %s', (dtype, expected, values) => {
    const array = parseNpy(npy(dtype, [expected.length], values), 'x');
    expect(array).toMatchObject({ dtype, shape: [expected.length] });
    expect([...array.values]).toEqual(expected);
  });

  it.each([1, 2, 3])('reads version %d', (version) => {
    const data = new Uint8Array(Float64Array.of(1.5).buffer);
    expect([...parseNpy(npyRaw(npyHeader('<f8', [1]), data, version), 'x').values]).toEqual([1.5]);
  });

  it('reads header keys in any order, and values that are not aligned', () => {
    const header = `{'shape':(1 , 1),'fortran_order':False,'descr':'<f4'}`;
    const array = parseNpy(npyRaw(header, new Uint8Array(Float32Array.of(7).buffer)), 'x');
    expect([array.shape, [...array.values]]).toEqual([[1, 1], [7]]);
  });

  it('reads Fortran order, in which the first axis runs fastest', () => {
    // numpy.asfortranarray(numpy.arange(24).reshape(2, 3, 4)).ravel(order='K')
    const stored = [0, 12, 4, 16, 8, 20, 1, 13, 5, 17, 9, 21, 2, 14, 6, 18, 10, 22, 3, 15, 7, 19, 11, 23];
    const bytes = npyRaw(npyHeader('|u1', [2, 3, 4], true), Uint8Array.from(stored));
    const { shape, values } = parseNpy(bytes, 'x');
    expect([shape, [...values]]).toEqual([[2, 3, 4], Array.from({ length: 24 }, (_, i) => i)]);
    for (const empty of [[], [0, 5]]) {
      const data = new Uint8Array(empty.length === 0 ? 4 : 0);
      expect(parseNpy(npyRaw(npyHeader('<f4', empty, true), data), 'x').shape).toEqual(empty);
    }
  });

  const one = new Uint8Array(4);
  it.each<[string, Uint8Array, RegExp]>([
    ['big-endian values', npyRaw(npyHeader('>f4', [1]), one), /big-endian.*astype\('<f4'\)/],
    ['objects', npyRaw(npyHeader('|O', [1]), one), /pickled/],
    ['complex numbers', npyRaw(npyHeader('<c8', [1]), one), /unsupported dtype "<c8"/],
    ['text', npyRaw(npyHeader('<U1', [1]), one), /unsupported dtype/],
    [
      'the name of an object property as dtype',
      npyRaw(npyHeader('constructor', [1]), one),
      /unsupported dtype/,
    ],
    [
      'records',
      npyRaw(`{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }`, one),
      /structured/,
    ],
    ['a shape larger than its data', npyRaw(npyHeader('<f4', [2]), one), /needs 8 bytes, but 4/],
    ['a shape smaller than its data', npyRaw(npyHeader('<f4', [0]), one), /needs 0 bytes, but 4/],
    ['a shape beyond all numbers', npyRaw(npyHeader('<f4', [2 ** 52, 2 ** 52, 2 ** 52]), one), /but 4/],
    ['a negative size', npyRaw(npyHeader('<f4', [-1]), one), /unreadable/],
    [
      'a size that is no number',
      npyRaw(npyHeader('<f4', [1]).replace('(1,)', '(1 1,)'), one),
      /unreadable shape/,
    ],
    [
      'code in its header',
      npyRaw(`{'descr': __import__('os'), 'shape': (1,)}`, one),
      /unreadable \.npy header/,
    ],
    ['a key twice', npyRaw(`{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}`, one), /unreadable/],
    ['a missing key', npyRaw(`{'descr': '<f4', 'shape': (1,)}`, one), /unreadable/],
    ['no header', npyRaw('', one), /unreadable/],
    [
      'values of the wrong kind',
      npyRaw(`{'descr': True, 'fortran_order': False, 'shape': (1,)}`, one),
      /unreadable/,
    ],
    ['a long run of digits', npyRaw(`{'shape': (${'1'.repeat(5000)}`, one), /unreadable/],
    ['version 4', npyRaw(npyHeader('<f4', [1]), one, 4), /version 4/],
    ['a header that ends beyond the file', npyRaw(npyHeader('<f4', [1]), one).subarray(0, 40), /header of/],
    ['no signature', Uint8Array.from({ length: 80 }), /signature/],
    ['less than a signature', Uint8Array.of(0x93, 0x4e), /signature/],
    ['integers beyond 2^53', npy('<i8', [1], BigInt64Array.of(2n ** 60n)), /too large/],
  ])('refuses %s', async (_title, bytes, words) => {
    await expectInputError(() => parseNpy(bytes, 'd.npz, x_train'), 'format/npy', words, /^d\.npz, x_train/);
  });
});
