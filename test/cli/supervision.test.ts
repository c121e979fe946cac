/** The watcher, with programs of a few lines in place of the command line. */
import { EventEmitter } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { interruptedAnalysis } from '../../src/cli/interruption.js';
import { type InterruptedWords, supervise, type Watcher } from '../../src/cli/supervision.js';
import { toldProgress } from '../../src/cli/whereabouts.js';
import { silentProgress } from '../../src/progress.js';
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
async function run(
  program: string,
  signals: NodeJS.Signals[],
  terminal = false,
  words: InterruptedWords = () => '',
) {
  const folder = mkdtempSync(join(tmpdir(), 'prune-limit-watch-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const script = join(folder, 'program.mjs');
  const begin =
    "import { writeFileSync } from 'node:fs';\nconst begun = () => writeFileSync(process.argv[2], '');\n";
  writeFileSync(script, begin + program);
  const watcher = new FakeWatcher(terminal);
  const ended = supervise(watcher, [script, join(folder, 'begun')], words);
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

test('what a process sent last goes into the words of its interruption', async () => {
  const told: unknown[] = [];
  const program = "process.send('stage 1');\nprocess.send('stage 2, 3 of 4');\nbegun();\nfor (;;) {}\n";
  const { exitCode, said } = await run(program, ['SIGINT'], false, (seconds, where) => {
    told.push(seconds > 0 && seconds < 60, where);
    return ' at last';
  });
  expect([exitCode, said]).toEqual([130, 'prune-limit: interrupted at last\n']);
  expect(told).toEqual([true, 'stage 2, 3 of 4']);
  // Who killed it otherwise did not ask.
  expect((await run("process.kill(process.pid, 'SIGTERM');", [], false, () => '!')).said).toBe(
    'prune-limit: interrupted\n',
  );
});

test.each([
  [[], 59, 'Lanczos products, 3 of up to 300', ''],
  [
    ['m.onnx', '--seed', '1'],
    725,
    'Lanczos products, 3 of up to 300',
    ' after 12 min 05 s (Lanczos products, 3 of up to 300); with --resume FILE a run keeps what it computes, and goes on from there',
  ],
  [
    [],
    61,
    null,
    ' after 1 min 01 s; with --resume FILE a run keeps what it computes, and goes on from there',
  ],
  [['--resume', 'f'], 5, null, '; the same command goes on from the file of --resume'],
  [['--resume=f'], 5, null, '; the same command goes on from the file of --resume'],
  [
    ['--resume', 'f'],
    61,
    'Lanczos products, 3 of up to 300',
    ' after 1 min 01 s (Lanczos products, 3 of up to 300); the same command goes on from the file of --resume',
  ],
])('interruptedAnalysis(%j, %d, %j)', (options, seconds, where, expected) => {
  expect(interruptedAnalysis(options, seconds, where)).toBe(expected);
});

test('a run tells where it is, but not too often', async () => {
  const told: string[] = [];
  const shown = { ...silentProgress, unwrittenOutputs: [], close: () => {} };
  const progress = toldProgress(shown, { connected: true, send: (words: string) => told.push(words) });
  const stage = progress.stage('products', 300, { atMost: true });
  stage.update(1);
  stage.update(2);
  await new Promise((resolve) => setTimeout(resolve, 1050));
  stage.update(7.5);
  stage.update(8);
  expect(told).toEqual(['products', 'products, 7 of up to 300']);
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
