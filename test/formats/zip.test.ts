import fc from 'fast-check';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { openWeightFile } from '../../src/checkpoint/weights/weight-file.js';
import { readDataset } from '../../src/dataset/registry.js';
import { InputError } from '../../src/errors.js';
import { crc32 } from '../../src/formats/crc32.js';
import { unzipMembers } from '../../src/formats/zip.js';
import { fileWith, npy, npz } from '../dataset/support.js';

const ARRAYS = {
  x_train: npy(
    '<f4',
    [4, 3],
    Float32Array.from({ length: 12 }, (_, i) => i / 8 - 0.5),
  ),
  y_train: npy('|u1', [4], Uint8Array.of(0, 1, 2, 1)),
  x_test: npy('<f4', [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)),
  y_test: npy('|u1', [2], Uint8Array.of(2, 0)),
};
const LEVELS = [0, 6] as const;
const ARCHIVES = LEVELS.map((level) => npz(ARRAYS, level));

/** Offsets of an archive without comment and zip64: of its end record, directory entries and local headers. */
function layoutOf(bytes: Uint8Array): { end: number; central: number[]; local: number[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length - 22;
  const central: number[] = [];
  for (let at = view.getUint32(end + 16, true); at < end; ) {
    central.push(at);
    at += 46 + view.getUint16(at + 28, true) + view.getUint16(at + 30, true);
  }
  return { end, central, local: central.map((at) => view.getUint32(at + 42, true)) };
}

function flipped(bytes: Uint8Array, at: number, bit = 0): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] ^= 1 << bit;
  return copy;
}

/** Everything in the archive as text, or the refusal. */
function contents(bytes: Uint8Array): string | InputError {
  try {
    const members = unzipMembers(bytes, (name) => name.endsWith('.npy'), 'd.npz');
    return [...members]
      .map(([name, content]) => `${name} ${Buffer.from(content).toString('hex')}`)
      .join('\n');
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

function expectRefusal(bytes: Uint8Array, words: RegExp): void {
  const refusal = contents(bytes);
  expect(refusal).toBeInstanceOf(InputError);
  const { code, message } = refusal as InputError;
  expect(code).toMatch(/^format\/(corrupt-zip|zip-)/);
  expect(message).toMatch(words);
  expect(message).not.toMatch(/\n/);
  expect(message.length).toBeLessThan(300);
}

/** A stored archive of members from Python's zipfile with zip64 headers, as numpy.savez writes: sizes in extra fields. */
function withZip64(
  name: string,
  content: Uint8Array,
  { streamed = false, endRecord64 = false } = {},
): Buffer {
  const fields = (flags: number, sizes: [number, number], checksum: number): Buffer => {
    const bytes = Buffer.alloc(22);
    bytes.writeUInt16LE(flags, 0);
    bytes.writeUInt32LE(checksum, 8);
    bytes.writeUInt32LE(sizes[0], 12);
    bytes.writeUInt32LE(sizes[1], 16);
    bytes.writeUInt16LE(name.length, 20);
    return bytes;
  };
  const uint64s = (...values: number[]): Buffer => {
    const bytes = Buffer.alloc(8 * values.length);
    for (const [index, value] of values.entries()) bytes.writeBigUInt64LE(BigInt(value), 8 * index);
    return bytes;
  };
  const signature = (text: string): Buffer => Buffer.from(`PK${text}`, 'latin1');
  const [size, checksum, flags] = [content.length, crc32(content), streamed ? 8 : 0];
  const extra = Buffer.concat([Buffer.of(1, 0, 16, 0), streamed ? uint64s(0, 0) : uint64s(size, size)]);
  const local = Buffer.concat([
    signature('\x03\x04'),
    Buffer.of(45, 0),
    fields(flags, [0xffffffff, 0xffffffff], streamed ? 0 : checksum),
    Buffer.of(extra.length, 0),
    Buffer.from(name),
    extra,
    content,
    streamed
      ? Buffer.concat([signature('\x07\x08'), uint64s(checksum).subarray(0, 4), uint64s(size, size)])
      : Buffer.of(),
  ]);
  const central = Buffer.concat([
    signature('\x01\x02'),
    Buffer.of(45, 3, 45, 0),
    fields(flags, [size, size], checksum),
    Buffer.alloc(16),
    Buffer.from(name),
  ]);
  const end64 = Buffer.concat([
    signature('\x06\x06'),
    uint64s(44),
    Buffer.of(45, 3, 45, 0),
    Buffer.alloc(8),
    uint64s(1, 1, central.length, local.length),
    signature('\x06\x07'),
    Buffer.alloc(4),
    uint64s(local.length + central.length),
    Buffer.of(1, 0, 0, 0),
  ]);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(endRecord64 ? 0xffff : 1, 8);
  end.writeUInt16LE(endRecord64 ? 0xffff : 1, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(endRecord64 ? 0xffffffff : local.length, 16);
  return Buffer.concat([local, central, endRecord64 ? end64 : Buffer.of(), end]);
}

describe('crc32', () => {
  it('has the check value of the standard, and 0 for nothing', () => {
    // Williams 1993, "A Painless Guide to CRC Error Detection Algorithms": the check value of CRC-32.
    expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926);
    expect(crc32(new Uint8Array(0))).toBe(0);
  });

  it('is that of bit-by-bit division, at every length and alignment', () => {
    const bitwise = (bytes: Uint8Array): number => {
      let remainder = 0xffffffff;
      for (const byte of bytes) {
        remainder ^= byte;
        for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? 0xedb88320 : 0);
      }
      return ~remainder >>> 0;
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        expect(crc32(bytes)).toBe(bitwise(bytes));
        expect(crc32(bytes.subarray(1))).toBe(bitwise(bytes.subarray(1)));
      }),
    );
  });
});

describe('a zip archive', () => {
  const content = Uint8Array.of(1, 2, 3, 4, 5);

  it.each([{}, { streamed: true }, { endRecord64: true }])('is read with zip64 fields, %j', (kind) => {
    expect(contents(withZip64('a.npy', content, kind))).toBe('a.npy 0102030405');
  });

  it.each([{}, { streamed: true }, { endRecord64: true }])(
    'gives its numbers or a refusal for every bit that is flipped, %j',
    (kind) => {
      const valid = withZip64('a.npy', content, kind);
      for (let bit = 0; bit < 8 * valid.length; bit++) {
        const outcome = contents(flipped(valid, bit >> 3, bit & 7));
        if (!(outcome instanceof InputError)) expect([bit, outcome]).toEqual([bit, 'a.npy 0102030405']);
      }
    },
  );

  it('may have a comment, even one that has the signature of the end', () => {
    const bytes = Buffer.concat([
      ARCHIVES[0],
      Buffer.from('PK\x05\x06 and so on, for twenty-two bytes', 'latin1'),
    ]);
    bytes.writeUInt16LE(bytes.length - ARCHIVES[0].length, ARCHIVES[0].length - 2);
    expect(contents(bytes)).toBe(contents(ARCHIVES[0]));
  });

  it('may be empty', () => {
    expect(contents(zipSync({}))).toBe('');
  });
});

describe('a damaged zip archive', () => {
  const { end, central, local } = layoutOf(ARCHIVES[0]);

  it.each<[string, number, RegExp]>([
    ['its data', local[1] - 3, /"x_train.npy": its bytes do not match their CRC-32/],
    ['the signature of a local header', local[1], /no member at byte/],
    ['the compression of a local header', local[1] + 8, /"y_train.npy" has two kinds of compression/],
    ['the CRC-32 of a local header', local[1] + 14, /"y_train.npy" has two checksums/],
    ['the stored size of a local header', local[1] + 18, /"y_train.npy" has two sizes/],
    ['the unpacked size of a local header', local[1] + 22, /"y_train.npy" has two unpacked sizes/],
    ['the name of a local header', local[3] + 30, /"y_test.npy" is "x_test.npy" in its own header/],
    ['the extra length of a local header', local[1] + 28, /CRC-32|share/],
    ['the signature of the directory', central[2], /no entry of its directory/],
    ['the compression of the directory', central[1] + 10, /two kinds of compression/],
    ['the CRC-32 of the directory', central[1] + 16, /two checksums/],
    ['the stored size of the directory', central[1] + 20, /two sizes/],
    ['the unpacked size of the directory', central[1] + 24, /two unpacked sizes/],
    ['the name of the directory', central[3] + 46, /"x_test.npy" is "y_test.npy" in its own header/],
    ['the name length of the directory', central[1] + 28, /own header|no entry/],
    ['the offset of the directory', central[1] + 42, /no member at byte/],
    ['the flags of the directory', central[1] + 8, /two sets of flags/],
    ['the signature of the end', end, /no end record/],
    ['the disk of the end', end + 4, /one part of several/],
    ['the count of the end', end + 10, /one part of several/],
    ['the size of the end', end + 12, /does not reach to its end/],
    ['the offset of the end', end + 16, /does not reach to its end/],
    ['the comment length of the end', end + 20, /no end record/],
  ])('is refused: one bit of %s', (_title, at, words) => {
    expectRefusal(flipped(ARCHIVES[0], at), words);
  });

  it('is refused when it is cut short, wherever', () => {
    for (const archive of ARCHIVES) {
      for (let length = 0; length < archive.length; length++) {
        expectRefusal(archive.subarray(0, length), /damaged zip/);
      }
    }
  });

  it('is refused when an array is missing from its directory', () => {
    for (const missing of central.keys()) {
      const next = central[missing + 1] ?? end;
      const bytes = Buffer.concat([ARCHIVES[0].subarray(0, central[missing]), ARCHIVES[0].subarray(next)]);
      const tail = bytes.length - 22;
      for (const at of [tail + 8, tail + 10]) bytes.writeUInt16LE(central.length - 1, at);
      bytes.writeUInt32LE(bytes.readUInt32LE(tail + 12) - (next - central[missing]), tail + 12);
      expectRefusal(
        bytes,
        new RegExp(`does not list the member at byte ${local[missing]};`.replace(';', '\\)')),
      );
    }
  });

  it('is refused when its end counts fewer members than its directory has', () => {
    const bytes = Buffer.from(ARCHIVES[0]);
    for (const at of [end + 8, end + 10]) bytes.writeUInt16LE(3, at);
    expectRefusal(bytes, /length that it declares/);
  });

  it('is refused when two members share their bytes', () => {
    const bytes = Buffer.from(npz({ a: ARRAYS.y_test, b: ARRAYS.y_test }, 0));
    const places = layoutOf(bytes);
    bytes.writeUInt32LE(places.local[0], places.central[1] + 42);
    bytes.write('a', places.central[1] + 46);
    expectRefusal(bytes, /share|twice/);
  });

  it('is refused when a name stands in it twice', () => {
    const text = Buffer.from(ARCHIVES[0]).toString('latin1').replaceAll('y_test', 'x_test');
    expectRefusal(Buffer.from(text, 'latin1'), /"x_test.npy" twice/);
  });

  it('is refused when it is encrypted', () => {
    const bytes = flipped(flipped(ARCHIVES[0], central[0] + 8), local[0] + 6);
    expectRefusal(bytes, /encrypted/);
  });

  it('gives its numbers or a refusal, whichever bit is flipped', async () => {
    const [dataset, weights] = await Promise.all([
      readDataset(fileWith('d.npz', ARCHIVES[0])),
      openWeightFile(fileWith('w.npz', ARCHIVES[0])),
    ]);
    const wanted = new Map([['x_train', 'float32' as const]]);
    const numbers = [dataset.train, dataset.test, (await weights.read(wanted)).values, weights.entries];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...ARCHIVES),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.nat(7),
        async (archive, place, bit) => {
          const path = fileWith('d.npz', flipped(archive, Math.floor(place * archive.length), bit));
          try {
            const { train, test } = await readDataset(path);
            const file = await openWeightFile(path);
            expect([train, test, (await file.read(wanted)).values, file.entries]).toEqual(numbers);
          } catch (error) {
            if (!(error instanceof InputError)) throw error;
            expect(error.message).not.toMatch(/\n/);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
