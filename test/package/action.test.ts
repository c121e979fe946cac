/** The shell of the GitHub Action, with programs of the test's own in place of npx and gh. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';

const action = readFileSync(fileURLToPath(new URL('../../action.yml', import.meta.url)), 'utf8');

/** The script of a step: the lines below its `run: |`, indented by eight. */
function script(name: string): string {
  const step = action.split(/^ {4}- name: /m).find((text) => text.startsWith(`${name}\n`))!;
  const lines = step.split('      run: |\n')[1]!.split('\n');
  const end = lines.findIndex((line) => line !== '' && !line.startsWith(' '.repeat(8)));
  return (end < 0 ? lines : lines.slice(0, end)).map((line) => line.slice(8)).join('\n');
}

let folder: string;
let log: string;

/** A program that writes down its arguments, one line a call, and then does what `body` says. */
function fakeProgram(name: string, body: string): void {
  const path = join(folder, 'bin', name);
  const recorded = `{ printf '%s' ${name}; printf ' <%s>' "$@"; echo; } >> "$LOG"`;
  writeFileSync(path, `#!/bin/sh\n${recorded}\n${body}\n`);
  chmodSync(path, 0o755);
}

function run(step: string, env: Record<string, string>) {
  const file = join(folder, `${step}.sh`);
  writeFileSync(file, script(step));
  const result = spawnSync('bash', ['--noprofile', '--norc', '-eo', 'pipefail', file], {
    cwd: folder,
    encoding: 'utf8',
    env: {
      PATH: `${join(folder, 'bin')}${delimiter}${process.env.PATH}`,
      LOG: log,
      RUNNER_TEMP: join(folder, 'temp'),
      GITHUB_OUTPUT: join(folder, 'output'),
      GITHUB_STEP_SUMMARY: join(folder, 'summary.md'),
      GITHUB_REPOSITORY: 'someone/models',
      PACKAGE: 'prune-limit@0.1.0',
      MODEL: 'm/model.json',
      DATA: '',
      OPTIONS: '',
      CONFIG: '',
      REQUIRE: '',
      MAX_DROP: '',
      BASELINE: '',
      PRUNED: '',
      REPORT: join(folder, 'report.json'),
      FOLDER: folder,
      GH_TOKEN: '',
      NUMBER: '',
      ...env,
    },
  });
  const calls = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
  return { code: result.status, stderr: result.stderr, calls };
}

const hasBash = process.platform !== 'win32' && spawnSync('bash', ['-c', 'true']).status === 0;

describe.skipIf(!hasBash)('the steps of action.yml', () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'prune-limit-action-'));
    const made = folder;
    onTestFinished(() => rmSync(made, { recursive: true, force: true }));
    log = join(folder, 'calls.txt');
    mkdirSync(join(folder, 'bin'));
    mkdirSync(join(folder, 'm'));
    writeFileSync(join(folder, 'm/model.json'), '{}');
    fakeProgram('npx', 'echo 0.1.0');
  });

  const npx = 'npx <--yes> <--package> <prune-limit@0.1.0> <prune-limit>';

  it('the key follows model, weights, options and configuration', () => {
    const key = (env: Record<string, string> = {}): string => {
      rmSync(join(folder, 'output'), { force: true });
      expect(run('key', env)).toMatchObject({ code: 0, stderr: '' });
      return /^key=prune-limit-([0-9a-f]{64})$/m.exec(readFileSync(join(folder, 'output'), 'utf8'))![1]!;
    };
    const keys = [key(), key({ OPTIONS: '--seed=1' })];
    writeFileSync(join(folder, 'm/weights.bin'), 'a');
    keys.push(key());
    writeFileSync(join(folder, 'm/weights.bin'), 'b');
    keys.push(key());
    writeFileSync(join(folder, 'prune-limit.json'), '{}');
    keys.push(key());
    expect(new Set(keys).size).toBe(keys.length);
    expect(key()).toBe(keys.at(-1));
    expect(key({ MODEL: 'm' })).not.toBe(keys.at(-1));
  });

  it('analyses with each line of the options as one argument, whatever is in it', () => {
    const { code, calls } = run('analyze', {
      DATA: 'my data',
      OPTIONS: '--tolerance=2\n\n--include=$(touch x)*\n',
    });
    expect(code).toBe(0);
    expect(calls).toEqual([
      `${npx} <analyze> <m/model.json> <--json> <${join(folder, 'report.json')}> <--quiet> <--data> <my data> <--tolerance=2> <--include=$(touch x)*>`,
    ]);
    expect(existsSync(join(folder, 'x'))).toBe(false);
  });

  it('does not analyse again what the cache holds', () => {
    writeFileSync(join(folder, 'report.json'), '{}');
    expect(run('analyze', {})).toMatchObject({ code: 0, calls: [] });
  });

  it.each([0, 1, 2])('ends as the gate does: %d', (code) => {
    fakeProgram('npx', `echo '# verdict' > "$GITHUB_STEP_SUMMARY"; exit ${code}`);
    writeFileSync(join(folder, 'm/prune-limit.json'), '{}');
    const result = run('gate', { REQUIRE: 'slice >= 0.9\naccuracy >= 97%', PRUNED: 'p.onnx', DATA: 'd' });
    expect(result.code).toBe(code);
    expect(result.calls).toEqual([
      `${npx} <gate> <${join(folder, 'report.json')}> <--format> <github> <--quiet> <--require> <slice >= 0.9> <--require> <accuracy >= 97%> <--pruned> <p.onnx> <--data> <d> <--config> <m/prune-limit.json>`,
    ]);
    expect(readFileSync(join(folder, 'summary.md'), 'utf8')).toBe('# verdict\n');
  });

  it('comments only with a token, on a pull request, where there is a verdict', () => {
    fakeProgram('gh', '');
    const whole = { GH_TOKEN: 't', NUMBER: '7' };
    expect(run('comment', whole).calls).toEqual([]);
    writeFileSync(join(folder, 'gate.md'), '# verdict\n');
    expect(run('comment', { ...whole, GH_TOKEN: '' }).calls).toEqual([]);
    expect(run('comment', { ...whole, NUMBER: '' }).calls).toEqual([]);
  });

  it('writes a comment once, and edits it from then on', () => {
    writeFileSync(join(folder, 'gate.md'), '# verdict\n');
    fakeProgram('gh', '');
    const first = run('comment', { GH_TOKEN: 't', NUMBER: '7' });
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.calls[0]).toContain('<repos/someone/models/issues/7/comments>');
    expect(first.calls[1]).toContain('<--method> <POST> <repos/someone/models/issues/7/comments>');
    const comment = readFileSync(join(folder, 'comment.md'), 'utf8');
    expect(comment).toMatch(/^<!-- prune-limit gate [0-9a-f]{16} -->\n# verdict\n$/);
    expect(first.calls[0]).toContain(comment.split('\n')[0]!);

    rmSync(log);
    fakeProgram('gh', 'case "$*" in *--paginate*) echo 12; echo 13;; esac');
    const { calls } = run('comment', { GH_TOKEN: 't', NUMBER: '7' });
    expect(calls).toHaveLength(2);
    expect(calls[1]).toContain('<--method> <PATCH> <repos/someone/models/issues/comments/12>');
  });

  it('no expression is put into a script', () => {
    for (const name of ['install', 'key', 'analyze', 'gate', 'comment']) {
      expect(script(name)).not.toContain('${{');
    }
  });
});
