/** The watcher, with programs of a few lines in place of the command line. */
import { EventEmitter } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { supervise, type Watcher } from '../../src/cli/supervision.js';
import { FakeStream } from './fake-host.js';

class FakeWatcher extends EventEmitter implements Watcher {
  stderr: FakeStream;
  exitCode?: number | string | null | undefined;

  constructor(terminal = false) {
    super();
    this.stderr = new FakeStream(terminal);
  }
}

/** Runs a program that says by a file when it has begun; sends the signals then, one after the other. */
async function run(program: string, signals: NodeJS.Signals[], terminal = false) {
  const folder = mkdtempSync(join(tmpdir(), 'prune-limit-watch-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const script = join(folder, 'program.mjs');
  const begin =
    "import { writeFileSync } from 'node:fs';\nconst begun = () => writeFileSync(process.argv[2], '');\n";
  writeFileSync(script, begin + program);
  const watcher = new FakeWatcher(terminal);
  const ended = supervise(watcher, [script, join(folder, 'begun')]);
  while (signals.length > 0 && !readdirSync(folder).includes('begun')) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  for (const signal of signals) {
    watcher.emit(signal, signal);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(await ended).toBe(true);
  expect(watcher.listenerCount('SIGINT')).toBe(0);
  return { folder, exitCode: watcher.exitCode, said: watcher.stderr.text };
}

const busy = 'begun();\nfor (;;) {}\n';
const deaf =
  "for (const s of ['SIGINT', 'SIGTERM']) process.on(s, () => {});\nbegun();\nsetInterval(() => {}, 1000);\n";

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s ends a process whose event loop is busy: exit code %d', async (signal, code) => {
  const { exitCode, said } = await run(busy, [signal]);
  expect([exitCode, said]).toEqual([code, 'prune-limit: interrupted\n']);
});

test('a second signal ends a process that does not listen', async () => {
  const start = performance.now();
  const { exitCode } = await run(deaf, ['SIGTERM', 'SIGINT']);
  expect(exitCode).toBe(143); // of the first
  expect(performance.now() - start).toBeLessThan(1900);
});

test('and so does the deadline', async () => {
  expect((await run(deaf, ['SIGINT'])).exitCode).toBe(130);
});

test('the line of the bar is cleared on a terminal', async () => {
  expect((await run(busy, ['SIGINT'], true)).said).toBe('\r\u001b[2Kprune-limit: interrupted\n');
});

test.each([
  ['its exit code is handed on', 'process.exit(7);', 7, ''],
  ['killed', "process.kill(process.pid, 'SIGKILL');setInterval(() => {}, 1000);", 137, /memory/],
  ['crashed', "process.kill(process.pid, 'SIGSEGV');setInterval(() => {}, 1000);", 139, /--backend wasm/],
])('%s', async (_, program, code, words) => {
  const { exitCode, said } = await run(program, []);
  expect(exitCode).toBe(code);
  expect(said).toMatch(words);
});

test('the channel is closed when the watcher is gone, and keeps no program from ending', async () => {
  const program =
    "process.on('disconnect', () => {});\nprocess.channel.unref();\nwriteFileSync(process.argv[2], String(process.connected));\n";
  const { folder, exitCode } = await run(program, []);
  expect([exitCode, readFileSync(join(folder, 'begun'), 'utf8')]).toEqual([0, 'true']);
});
