import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { UnwrittenFileError, writeWholeFiles } from '../src/whole-files.js';

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'prune-limit-whole-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Of a process that has ended. */
function deadPid(): string {
  return execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }).trim();
}

/** As the temporary files of this machine, and container, are named. */
function temporaryName(pid: string | number, space = processSpace()): string {
  return `.prune-limit-${space}-${pid}-0123456789ab.tmp`;
}

function processSpace(): string {
  let space = hostname();
  try {
    space += execFileSync('readlink', ['/proc/self/ns/pid'], { encoding: 'utf8' }).trim();
  } catch {
    // not on Linux
  }
  return createHash('sha256').update(space).digest('hex').slice(0, 8);
}

test('files appear whole, in folders that are made', async () => {
  const folder = newFolder();
  writeFileSync(join(folder, 'a'), 'old');
  await writeWholeFiles([
    { path: join(folder, 'a'), data: 'new' },
    { path: join(folder, 'deep/b'), data: Uint8Array.of(1, 2) },
  ]);
  expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('new');
  expect([...readFileSync(join(folder, 'deep/b'))]).toEqual([1, 2]);
  expect(readdirSync(folder, { recursive: true }).sort()).toEqual(['a', 'deep', 'deep/b']);
});

test('a name as long as a file system takes', async () => {
  const folder = newFolder();
  const path = join(folder, 'x'.repeat(255));
  await writeWholeFiles([{ path, data: 'long' }]);
  expect(readFileSync(path, 'utf8')).toBe('long');
});

test('what killed runs left is removed, and nothing else', async () => {
  const folder = newFolder();
  const dead = deadPid();
  const stale = temporaryName(dead);
  const foreignOld = temporaryName(dead, '00000000');
  const kept = [
    temporaryName(process.pid), // still runs
    temporaryName(dead, '11111111'), // of another machine, and recent
    `.prune-limit-${processSpace()}-${dead}.tmp`, // named otherwise
    `.report.json.${dead}.tmp`,
  ];
  for (const name of [stale, foreignOld, ...kept]) {
    writeFileSync(join(folder, name), 'left');
  }
  mkdirSync(join(folder, temporaryName(dead).replace('0123', '4567')));
  const twoDaysAgo = Date.now() / 1000 - 2 * 86_400;
  utimesSync(join(folder, foreignOld), twoDaysAgo, twoDaysAgo);
  await writeWholeFiles([{ path: join(folder, 'r'), data: '' }]);
  expect(readdirSync(folder).sort()).toEqual(
    [...kept, temporaryName(dead).replace('0123', '4567'), 'r'].sort(),
  );
});

test('a failure leaves the old files and no temporary ones', async () => {
  const folder = newFolder();
  writeFileSync(join(folder, 'a'), 'old');
  mkdirSync(join(folder, 'b/c'), { recursive: true });
  const writing = writeWholeFiles([
    { path: join(folder, 'b'), data: 'x' },
    { path: join(folder, 'a'), data: 'new' },
  ]);
  await expect(writing).rejects.toThrow(UnwrittenFileError);
  await expect(writing).rejects.toThrow(`${join(folder, 'b')} cannot be written: a directory is in the way`);
  expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('old');
  expect(readdirSync(folder).sort()).toEqual(['a', 'b']);
  expect(process.listenerCount('SIGTERM')).toBe(0);
});
