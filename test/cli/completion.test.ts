import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runFake, temporaryFolder } from './fake-host.js';

/** Names that complete a command line, as `shell` is told them. */
async function completed(words: string[], env: Record<string, string> = {}): Promise<string[]> {
  const { stdout, stderr, exitCode } = await runFake(['completion-server', '--', 'prune-limit', ...words], {
    env: { SHELL: 'bash', ...env },
  });
  expect([stderr, exitCode]).toEqual(['', 0]);
  return stdout.split('\n').filter((line) => line !== '');
}

describe('completion', () => {
  it.each<[string[], string[]]>([
    [['pr'], ['prune']],
    [
      ['help', 'in'],
      ['inspect', 'init'],
    ],
    [['analyze', '--los'], ['--loss']],
    [
      ['prune', 'm', '--at-limit', 'gauss'],
      ['gaussian-width', 'gaussian-width:low'],
    ],
    [
      ['analyze', 'm', '--curvature', ''],
      ['hessian', 'ggn'],
    ],
    [['analyze', '--format=j'], ['--format=json']],
    [
      ['schema', 'co'],
      ['config', 'compare'],
    ],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    // The shell completes names of files where there are no words.
    [['analyze', ''], []],
    [['analyze', '--data', ''], []],
    [['gate', 'r.json', '--format', 'json', ''], []],
  ])('%j: %j', async (words, names) => {
    expect((await completed(words)).sort()).toEqual([...names].sort());
  });

  it('knows every command, hidden ones apart', async () => {
    const names = await completed(['']);
    expect(names).toEqual(expect.arrayContaining(['analyze', 'prune', 'gate', 'completion', 'help']));
    expect(names).not.toContain('completion-server');
  });

  it('speaks to zsh and fish as their scripts read it', async () => {
    expect(await completed(['an'], { SHELL: '/bin/zsh', COMP_CWORD: '1' })).toEqual([
      'analyze:how far a network can be pruned\\: theory against measurement',
    ]);
    const fish = { SHELL: 'fish' };
    expect(await completed(['schema'], { ...fish, COMP_LINE: 'x schema ', COMP_POINT: '9' })).toContain(
      'gate',
    );
    expect(await completed(['analyze'], { ...fish, COMP_LINE: 'x analyze ', COMP_POINT: '10' })).toEqual([
      '__tabtab_complete_files__',
    ]);
    expect(await completed(['an'], { ...fish, COMP_LINE: 'x an ', COMP_POINT: '4' })).toEqual([
      'analyze\thow far a network can be pruned: theory against measurement',
    ]);
  });

  it.each(['bash', 'zsh', 'fish'])('prints a script for %s', async (shell) => {
    const { stdout, exitCode } = await runFake(['completion', shell]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('prune-limit completion-server -- ');
    const check = spawnSync(shell, ['-n'], { input: stdout, encoding: 'utf8' });
    // Shells that are not there check nothing.
    if (check.error === undefined) {
      expect(check.stderr).toBe('');
    }
  });

  it.skipIf(spawnSync('bash', ['--version']).error !== undefined)('works in bash', async () => {
    const folder = await temporaryFolder();
    mkdirSync(join(folder, 'bin'));
    const answers = (await completed(['prune', 'm', '--at-limit', 'sh'])).join('\\n');
    writeFileSync(join(folder, 'bin/prune-limit'), `#!/bin/sh\nprintf '${answers}\\n'\n`, { mode: 0o755 });
    writeFileSync(join(folder, 'script.bash'), (await runFake(['completion', 'bash'])).stdout);
    const script = `source script.bash
COMP_WORDS=(prune-limit prune m --at-limit sh) COMP_CWORD=4 COMP_LINE='prune-limit prune m --at-limit sh' COMP_POINT=33
eval "$(complete -p prune-limit | sed 's/.*-F \\([^ ]*\\) .*/\\1/')"
printf '%s\\n' "\${COMPREPLY[@]}"; complete -p prune-limit`;
    const env = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` };
    const said = execFileSync('bash', ['--norc', '-c', script], { cwd: folder, env, encoding: 'utf8' });
    expect(said).toMatch(/^sharp\nsharp:low\ncomplete -o default -F /);
  });
});
