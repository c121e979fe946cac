/** State files: what was put comes back, whatever is done to the file in between comes out in one line. */
import { randomBytes } from 'node:crypto';
import { appendFile, chmod, mkdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import { openStateFile, type StateFile } from '../../../src/analysis/state/state-file.js';
import { UnwrittenFileError } from '../../../src/whole-files.js';
import { temporaryFolder } from '../../cli/fake-host.js';

const key = (name: string): string => Buffer.from(name.padEnd(32)).toString('hex');

async function opened(path: string): Promise<StateFile> {
  const file = await openStateFile(path);
  onTestFinished(() => file.close());
  return file;
}

async function made(batches: readonly Record<string, Uint8Array>[]): Promise<string> {
  const path = join(await temporaryFolder(), 'state');
  const file = await opened(path);
  for (const batch of batches) {
    for (const [name, content] of Object.entries(batch)) {
      file.put(key(name), [content]);
    }
    await file.write();
  }
  await file.close();
  return path;
}

it('property: all that was put and written comes back, the last of each key', async () => {
  const content = fc.uint8Array({ maxLength: 300 });
  const batch = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), content, { minKeys: 1 });
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 5 }), async (batches) => {
      const path = await made(batches);
      const file = await opened(path);
      const expected = Object.assign({}, ...batches) as Record<string, Uint8Array>;
      for (const name of ['a', 'b', 'c', 'd']) {
        const found = await file.read(key(name));
        expect(found && [...found]).toEqual(expected[name] ? [...expected[name]] : null);
        expect(file.sizeOf(key(name))).toBe(expected[name]?.length ?? null);
      }
      expect(file.torn).toBe(false);
      await file.close();
    }),
    { numRuns: 40 },
  );
});

it('a batch that was cut off is left out, wherever; those before it count, and more can be added', async () => {
  const batches: Record<string, Uint8Array>[] = [
    { a: randomBytes(100) },
    { b: randomBytes(200) },
    { c: randomBytes(300), d: randomBytes(10) },
  ];
  const path = await made(batches);
  const whole = await readFile(path);
  const ends = [await made(batches.slice(0, 1)), await made(batches.slice(0, 2))];
  const second = (await stat(ends[1])).size;
  for (let size = second + 1; size < whole.length; size += 37) {
    await writeFile(path, whole);
    await truncate(path, size);
    const file = await opened(path);
    expect(file.torn).toBe(true);
    expect(await file.read(key('b'))).toEqual(batches[1].b);
    expect(file.sizeOf(key('c'))).toBeNull();
    file.put(key('e'), [Buffer.from('new')]);
    await file.write();
    await file.close();
    const again = await opened(path);
    expect(again.torn).toBe(false);
    expect(String(await again.read(key('e')))).toBe('new');
    await again.close();
  }
  // A disk that lost the last batch, or a part of it, to a power failure.
  for (const zeros of [whole.length - second, 50]) {
    await writeFile(path, Buffer.concat([whole.subarray(0, whole.length - zeros), Buffer.alloc(zeros)]));
    const file = await opened(path);
    expect([file.torn, file.sizeOf(key('d')), file.sizeOf(key('b'))]).toEqual([true, null, 200]);
  }
});

it('property: a damaged file is refused, or what is read of it is right', async () => {
  const batches: Record<string, Uint8Array>[] = [
    { a: randomBytes(64) },
    { b: randomBytes(64) },
    { c: randomBytes(64) },
  ];
  const path = await made(batches);
  const whole = await readFile(path);
  const expected = Object.assign({}, ...batches) as Record<string, Uint8Array>;
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: whole.length - 1 }),
      fc.integer({ min: 1, max: 255 }),
      async (at, flip) => {
        const bytes = Buffer.from(whole);
        bytes[at] ^= flip;
        await writeFile(path, bytes);
        const file = await openStateFile(path).catch((error: Error) => error);
        if (file instanceof Error) {
          refused++;
          expect(file.message).toMatch(
            /^--resume .*\/state: (is damaged or cut short|is no state|was written by another version).*; .*name another file/,
          );
          expect(await readFile(path)).toEqual(bytes);
          return;
        }
        for (const name of ['a', 'b', 'c']) {
          const found = await file.read(key(name));
          expect(found === null || Buffer.compare(found, expected[name]) === 0).toBe(true);
        }
        // Only the last batch may be missing.
        expect(file.sizeOf(key('b'))).toBe(64);
        await file.close();
      },
    ),
    { numRuns: 150 },
  );
  expect(refused).toBeGreaterThan(20);
});

it('sizes that no file of its length can have are not believed', async () => {
  const path = await made([{ a: randomBytes(10) }, { b: randomBytes(10) }]);
  const whole = await readFile(path);
  for (const [at, value] of [
    [16, 2n ** 63n],
    [24 + 32, 2n ** 60n],
  ] as const) {
    const bytes = Buffer.from(whole);
    bytes.writeBigUInt64LE(value, at);
    await writeFile(path, bytes);
    await expect(openStateFile(path)).rejects.toThrow('is damaged or cut short');
  }
});

it('what is no state is refused and left as it is', async () => {
  const folder = await temporaryFolder();
  const report = join(folder, 'report.json');
  await writeFile(report, '{"schemaVersion": 2}');
  await expect(openStateFile(report)).rejects.toThrow(
    /report\.json: is no state of prune-limit and is left as it is/,
  );
  expect(await readFile(report, 'utf8')).toBe('{"schemaVersion": 2}');
  await expect(openStateFile(folder)).rejects.toThrow(/is a folder; name another file/);
  await expect(openStateFile('/dev/null')).rejects.toThrow(/is no regular file/);
  const newer = await made([{ a: randomBytes(10) }]);
  const bytes = await readFile(newer);
  bytes.writeUInt32LE(7, 8);
  await writeFile(newer, bytes);
  await expect(openStateFile(newer)).rejects.toThrow(
    /another version of prune-limit \(format 7, this one has 1\)/,
  );
  const empty = join(folder, 'empty');
  await writeFile(empty, '');
  const file = await opened(empty);
  file.put(key('a'), [Buffer.from('1')]);
  await file.write();
  expect(await file.read(key('a'))).toEqual(Buffer.from('1'));
});

it('many results at once, and empty ones', async () => {
  const path = join(await temporaryFolder(), 'state');
  const file = await opened(path);
  file.put(key('first'), []);
  await file.write();
  for (let i = 0; i < 3000; i++) {
    file.put(key(String(i)), [Buffer.from(`${i}`), new Uint8Array(0), Buffer.from('!')]);
  }
  await file.write();
  await file.close();
  const again = await opened(path);
  expect(again.sizeOf(key('first'))).toBe(0);
  expect(String(await again.read(key('2999')))).toBe('2999!');
  expect(String(await again.read(key('0')))).toBe('0!');
});

it('a link is followed, and stays', async () => {
  const path = await made([{ a: randomBytes(10) }]);
  const link = join(await temporaryFolder(), 'link');
  await symlink(path, link);
  const file = await opened(link);
  file.put(key('b'), [Buffer.from('1')]);
  await file.write();
  expect(await (await opened(path)).read(key('b'))).toEqual(Buffer.from('1'));
});

it('a file that another process writes to, or that cannot be made, is not written; what was put stays', async () => {
  const path = await made([{ a: randomBytes(10) }]);
  const file = await opened(path);
  file.put(key('b'), [Buffer.from('1')]);
  await appendFile(path, 'x');
  await expect(file.write()).rejects.toThrow(UnwrittenFileError);
  expect(await file.read(key('b'))).toEqual(Buffer.from('1'));
  const folder = join(await temporaryFolder(), 'closed');
  await mkdir(folder, { mode: 0o500 });
  if (process.getuid?.() !== 0) {
    const there = await opened(join(folder, 'state'));
    there.put(key('a'), [Buffer.from('1')]);
    await expect(there.write()).rejects.toThrow(/no permission/);
    await chmod(folder, 0o700);
    await there.write();
    expect(there.pendingBytes).toBe(0);
  }
});

it('what is outdated does not pile up', async () => {
  const path = join(await temporaryFolder(), 'state');
  const file = await opened(path);
  const large = randomBytes(2 ** 24);
  file.put(key('kept'), [randomBytes(1000)]);
  for (let round = 0; round < 8; round++) {
    file.put(key(`vector ${round}`), [large]);
    file.forget(key(`vector ${round - 1}`));
    await file.write();
  }
  expect((await stat(path)).size).toBeLessThan(7 * large.length);
  await file.close();
  const again = await opened(path);
  expect(again.sizeOf(key('kept'))).toBe(1000);
  expect(Buffer.compare((await again.read(key('vector 7'))) as Uint8Array, large)).toBe(0);
});
