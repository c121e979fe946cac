import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '../../src/cli/run.js';
import { InputError } from '../../src/errors.js';
import type { Progress } from '../../src/progress.js';
import { renderJson } from '../../src/report/json.js';
import { renderMarkdown } from '../../src/report/markdown.js';
import { sampleReport } from '../report/sample-report.js';
import { FakeHost, fakeWork, runFake, temporaryFolder } from './fake-host.js';

const analyze = ['analyze', 'm', '--data', 'd'];

function failing(error: unknown) {
  return {
    work: {
      analyze: async () => {
        throw error;
      },
    },
  };
}

describe('bad input', () => {
  const options = failing(new InputError('dataset/missing', 'd: does not exist'));

  test('one line on stderr, exit code 2', async () => {
    const { exitCode, stdout, stderr } = await runFake(analyze, options);
    expect([exitCode, stdout, stderr]).toEqual([2, '', 'prune-limit: d: does not exist\n']);
  });

  test.each([[['--format', 'json']], [['--format=json']]])('%j: one JSON object too', async (flags) => {
    const { exitCode, stdout, stderr } = await runFake([...analyze, ...flags], options);
    expect(JSON.parse(stdout)).toEqual({
      schemaVersion: 2,
      ok: false,
      error: { code: 'dataset/missing', message: 'd: does not exist' },
    });
    expect([exitCode, stderr]).toEqual([2, 'prune-limit: d: does not exist\n']);
  });

  test('wrong usage as JSON', async () => {
    const { exitCode, stdout } = await runFake(['analyze', 'm', '--nonsense', '--format', 'json']);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: 'usage/unknown-option' } });
  });

  test('a message from a hostile file cannot write to the terminal or add lines', async () => {
    const { stderr } = await runFake(analyze, failing(new InputError('x', 'weight \u001b[2J\nok')));
    expect(stderr).toBe('prune-limit: weight \\u001b[2J\\u000aok\n');
  });
});

describe('a defect', () => {
  test('exit code 70, with the stack and what to keep for a report', async () => {
    const { exitCode, stdout, stderr } = await runFake(analyze, failing(new TypeError('oops')));
    expect([exitCode, stdout]).toEqual([70, '']);
    expect(stderr).toMatch(/^prune-limit: internal error: oops\nTypeError: oops\n {4}at /);
    expect(stderr).toMatch(
      /This is a defect of prune-limit \d.*For a report, keep the lines above, the command with all its options, .*\n$/,
    );
  });

  test('as JSON', async () => {
    const { stdout } = await runFake([...analyze, '--format', 'json'], failing(new TypeError('oops')));
    expect(JSON.parse(stdout).error).toEqual({ code: 'internal', message: 'oops' });
  });

  test('what is thrown need not be an error', async () => {
    expect((await runFake(analyze, failing('oops'))).exitCode).toBe(70);
  });

  test('an error outside of any promise', async () => {
    const host = new FakeHost(analyze);
    const { work } = fakeWork({
      analyze: async () => {
        host.emit('uncaughtException', new Error('in a callback'));
        throw new Error('unused');
      },
    });
    await run(host, work);
    expect(host.exits).toEqual([70]);
    expect(host.stderr.text).toContain('internal error: in a callback');
  });
});

test('listeners are taken away', async () => {
  const { host } = await runFake(analyze);
  expect(host.listenerCount('uncaughtException')).toBe(0);
});

describe('outputs that cannot be written', () => {
  /** Runs an analysis with a stream that fails with such a code. */
  async function runWithFailing(stream: 'stdout' | 'stderr', code: string, ...flags: string[]) {
    const folder = await temporaryFolder();
    const host = new FakeHost([...analyze, '--json', 'r.json', ...flags], { folder });
    host[stream]._write = (_chunk, _encoding, done) => done(Object.assign(new Error(code), { code }));
    await run(host, fakeWork().work);
    const json = await readFile(join(folder, 'r.json'), 'utf8');
    return { host, json, exitCode: host.exitCode ?? 0 };
  }

  test('a full stdout: one line, exit code 2, and the file is there', async () => {
    const { host, json, exitCode } = await runWithFailing('stdout', 'ENOSPC', '--quiet');
    expect([exitCode, host.stderr.text]).toEqual([
      2,
      'prune-limit: stdout cannot be written (no space left)\n',
    ]);
    expect(json).toBe(renderJson(sampleReport()));
  });

  test('a reader that has seen enough is no failure', async () => {
    const { host, json, exitCode } = await runWithFailing('stdout', 'EPIPE');
    expect([exitCode, host.stderr.text]).toEqual([0, '']);
    expect(json).toBe(renderJson(sampleReport()));
  });

  test('a full stderr: exit code 2, and the result is there', async () => {
    const { host, json, exitCode } = await runWithFailing('stderr', 'ENOSPC', '--format', 'json');
    expect([exitCode, host.stdout.text, json]).toEqual([2, json, renderJson(sampleReport())]);
  });

  test('help into a full disk', async () => {
    const host = new FakeHost(['analyze', '--help']);
    host.stdout._write = (_chunk, _encoding, done) => done(Object.assign(new Error(), { code: 'EIO' }));
    await run(host, fakeWork().work);
    expect([host.exitCode, host.stderr.text]).toEqual([2, 'prune-limit: stdout cannot be written (EIO)\n']);
  });

  test('a redirected stdout gets all of a result', async () => {
    const folder = await temporaryFolder();
    const file = await open(join(folder, 'out'), 'w');
    const host = new FakeHost([...analyze, '--format', 'json'], { folder });
    host.stdout.fd = file.fd;
    await run(host, fakeWork().work);
    await file.close();
    expect(await readFile(join(folder, 'out'), 'utf8')).toBe(renderJson(sampleReport()));
  });

  test('one file that fails does not keep the others from being written', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'r'));
    const work = {
      analyze: async (_: unknown, progress: Progress) => {
        await rm(join(folder, 'r'), { recursive: true }); // between the check and the writing
        await writeFile(join(folder, 'r'), '');
        progress.unwritten(new InputError('usage/dump-graph', '--dump-graph: no space'));
        return sampleReport();
      },
    };
    const { exitCode, stdout, stderr } = await runFake(
      [...analyze, '--format', 'json', '--quiet', '--json', 'r/r.json', '--markdown', 'r.md'],
      { folder, work },
    );
    // One document on stdout: the report, not the failure behind it.
    expect(stdout).toBe(renderJson(sampleReport()));
    expect(await readFile(join(folder, 'r.md'), 'utf8')).toBe(renderMarkdown(sampleReport()));
    expect(stderr).toMatch(
      /^prune-limit: --dump-graph: no space; --json .*r\.json: cannot be written \(a file is in the way.*\)\n$/,
    );
    expect([exitCode, await readdir(folder)]).toEqual([2, ['r', 'r.md']]);
  });
});

describe('limits of the system', () => {
  test('the working directory is gone', async () => {
    const gone = (): never => {
      throw Object.assign(new Error('uv_cwd'), { code: 'ENOENT' });
    };
    for (const args of [
      analyze,
      ['train', 'mlp', '--data', 'd', '-o', 'o'],
      ['prune', 'm', '--ratio', '0', '-o', 'o'],
    ]) {
      const host = new FakeHost(args);
      host.cwd = gone;
      await run(host, fakeWork().work);
      expect([host.exitCode, host.stderr.text]).toEqual([
        2,
        'prune-limit: the working directory does not exist any more; change to one that does, for example with cd ~\n',
      ]);
    }
    const host = new FakeHost(['doctor']);
    host.cwd = gone;
    await run(host, fakeWork().work);
    expect(host.exitCode ?? 0).toBe(0);
  });

  test('too few files may be open', async () => {
    const error = Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
    const { exitCode, stderr } = await runFake(analyze, failing(error));
    expect([exitCode, stderr]).toEqual([2, expect.stringMatching(/^prune-limit: .*ulimit -n 1024\n$/)]);
  });

  test('WebAssembly gives up where its memory is full, and other traps are defects', async () => {
    const runtimeError = (message: string): Error =>
      Object.assign(new Error(message), { name: 'RuntimeError' });
    const aborted = runtimeError('Aborted(). Build with -sASSERTIONS for more info.');
    const { exitCode, stderr } = await runFake(analyze, failing(aborted));
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringMatching(/^prune-limit: WebAssembly gave up.*--memory-limit.*\n$/),
    ]);
    const trap = runtimeError('memory access out of bounds');
    expect((await runFake(analyze, failing(trap))).exitCode).toBe(70);
  });
});
