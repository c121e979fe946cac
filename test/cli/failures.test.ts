import { describe, expect, test } from 'vitest';
import { run } from '../../src/cli/run.js';
import { InputError } from '../../src/errors.js';
import { FakeHost, fakeWork, runFake } from './fake-host.js';

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

describe('signals and pipes', () => {
  test('SIGINT: exit code 130', async () => {
    const host = new FakeHost(analyze, { terminal: true });
    const { work } = fakeWork({
      analyze: async (_config, progress) => {
        progress.stage('Lanczos steps', 10).update(1);
        host.emit('SIGINT');
        throw new InputError('x', 'unused');
      },
    });
    await run(host, work);
    expect(host.exits).toEqual([130]);
    expect(host.stderr.text).toContain('prune-limit: interrupted\n');
    expect(host.stdout.text).toBe('');
  });

  test('listeners are taken away', async () => {
    const { host } = await runFake(analyze);
    expect([host.listenerCount('SIGINT'), host.listenerCount('uncaughtException')]).toEqual([0, 0]);
  });

  test('a closed pipe is no error, another failure of stdout is', async () => {
    const { host, exitCode } = await runFake(analyze);
    expect(() =>
      host.stdout.emit('error', Object.assign(new Error('EPIPE'), { code: 'EPIPE' })),
    ).not.toThrow();
    expect(() => host.stdout.emit('error', new Error('disk'))).toThrow('disk');
    expect(exitCode).toBe(0);
  });
});
