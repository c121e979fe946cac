import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gateReportSchema } from '../../src/gate/schema.js';
import { renderJson } from '../../src/report/json.js';
import type { Report } from '../../src/report/schema.js';
import { sampleReport, unresolvedReport } from '../report/sample-report.js';
import { runFake, temporaryFolder } from './fake-host.js';

async function reportIn(folder: string, name: string, report: Report = sampleReport()): Promise<string> {
  await writeFile(join(folder, name), renderJson(report));
  return name;
}

async function gate(arguments_: string[], options: { report?: Report; env?: Record<string, string> } = {}) {
  const folder = await temporaryFolder();
  await reportIn(folder, 'report.json', options.report);
  const result = await runFake(['gate', 'report.json', ...arguments_], { folder, env: options.env });
  return { ...result, folder };
}

describe('prune-limit gate', () => {
  it.each([
    ['passes', ['--require', 'slice >= 0.88', '--require', 'accuracy >= 90%'], 0, 'pass'],
    ['fails', ['--require', 'slice >= 0.88', '--require', 'slice >= 0.9'], 1, 'fail'],
    ['is inconclusive', ['--require', 'gaussianWidth >= 0.93'], 1, 'inconclusive'],
    ['lets that pass', ['--require', 'gaussianWidth >= 0.93', '--inconclusive', 'pass'], 0, 'pass'],
  ] as const)('%s', async (_, options, code, verdict) => {
    const { exitCode, stdout, stderr } = await gate([...options, '--format', 'json']);
    expect(stderr).toBe('');
    expect(exitCode).toBe(code);
    expect(gateReportSchema.parse(JSON.parse(stdout)).verdict).toBe(verdict);
  });

  it('warns of what is inconclusive where that was asked for', async () => {
    const { exitCode, stderr } = await gate(['--require', 'gaussianWidth >= 0.93', '--inconclusive', 'warn']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain('warning: limits.gaussianWidth.pruned is');
  });

  it('is inconclusive on an unresolved number', async () => {
    const result = await gate(['--require', 'gaussianWidth >= 0.01'], { report: unresolvedReport() });
    expect(result.exitCode).toBe(1);
    expect(result.stdout).toContain('unresolved');
  });

  it.each([
    ['no gate', [], 'say what is asked for'],
    ['an unknown field', ['--require', 'limits.slise.pruned >= 0.9'], 'did you mean limits.slice.pruned'],
    ['a missing number', ['--require', 'curve[pruned=0.99].accuracy >= 0.9'], 'is not known'],
    ['NaN', ['--require', 'slice >= NaN'], 'is no requirement'],
    ['a bound of change without a baseline', ['--max-drop', 'slice 1 point'], 'need --baseline'],
    ['a baseline that is not there', ['--max-drop', 'slice 1 point', '--baseline', 'b.json'], 'add --update'],
  ] as const)('%s is exit code 2, never a pass', async (_, options, message) => {
    const { exitCode, stderr, stdout } = await gate([...options]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr.trim()).not.toContain('\n');
    expect(stdout).toBe('');
  });

  // The Gaussian width of the sample is 0.9317 in [0.9284, 0.9342]: below 0.9384 a limit of that width overlaps it.
  it.each([
    [
      'within the intervals of both',
      0.9367,
      0,
      'pass',
      'the difference is within the intervals of both reports',
    ],
    ['beyond them', 0.9467, 1, 'fail', null],
    ['the other way', 0.9167, 0, 'pass', 'improved beyond the intervals of both reports'],
  ] as const)('a drop %s', async (_, before, code, verdict, reason) => {
    const base = sampleReport();
    Object.assign(base.limits.gaussianWidth, {
      pruned: before,
      low: before - 0.0033,
      high: before + 0.0025,
    });
    const folder = await temporaryFolder();
    await reportIn(folder, 'report.json');
    await reportIn(folder, 'base.json', base);
    const bound = ['--baseline', 'base.json', '--max-drop', 'gaussianWidth 0.1 points'];
    const { exitCode, stdout } = await runFake(['gate', 'report.json', ...bound, '--format', 'json'], {
      folder,
    });
    expect(exitCode).toBe(code);
    const result = gateReportSchema.parse(JSON.parse(stdout));
    expect(result.verdict).toBe(verdict);
    expect(result.gates[0]).toMatchObject({ verdict, reason, baseline: { value: before } });
  });

  it.each(['NaN', 'null', '"0.9"', '1e999'])(
    '%s where a report has its number is exit code 2',
    async (value) => {
      const folder = await temporaryFolder();
      const changed = renderJson(sampleReport()).replace(/("slice": \{\s*"pruned": )[\d.]+/, `$1${value}`);
      expect(changed).not.toBe(renderJson(sampleReport()));
      await writeFile(join(folder, 'report.json'), changed);
      const { exitCode, stdout, stderr } = await runFake(['gate', 'report.json', '--require', 'slice >= 0'], {
        folder,
      });
      expect([exitCode, stdout]).toEqual([2, '']);
      expect(stderr.trim()).not.toContain('\n');
    },
  );

  it.each([
    [88, 0, 'pass'],
    [89, 1, 'fail'],
  ] as const)(
    'a pruned model with %d of 100 weights at 0 below a slice limit of 0.8812: exit code %d',
    async (zeros, code, verdict) => {
      const { exitCode, stdout } = await runFake(
        ['gate', 'm', '--data', 'd', '--pruned', 'p', '--require', 'headroom >= 0', '--format', 'json'],
        { folder: await temporaryFolder(), work: { prunedZeros: async () => ({ weights: 100, zeros }) } },
      );
      expect(exitCode).toBe(code);
      const { gates } = gateReportSchema.parse(JSON.parse(stdout));
      expect(gates[0]).toMatchObject({ name: 'pruned.headroom', verdict });
      expect(gates[0]!.value).toBeCloseTo(0.8812 - zeros / 100, 10);
    },
  );

  it('refuses the object of a failed run and a report that is none', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'failed.json'), '{"schemaVersion": 2, "ok": false}');
    await writeFile(join(folder, 'odd.json'), '{"schemaVersion": 2, "ok": true}');
    for (const [name, message] of [
      ['failed.json', 'failed run'],
      ['odd.json', 'not a report'],
    ] as const) {
      const { exitCode, stderr } = await runFake(['gate', name, '--require', 'slice >= 0'], { folder });
      expect(exitCode).toBe(2);
      expect(stderr).toContain(message);
    }
  });

  it.each(['gate', 'report'])('%s refuses a pipe unread, and a folder', async (command) => {
    const folder = await temporaryFolder();
    execFileSync('mkfifo', [join(folder, 'pipe.json')]);
    await mkdir(join(folder, 'folder.json'));
    await reportIn(folder, 'report.json');
    for (const name of ['pipe.json', 'folder.json']) {
      const gates = ['report.json', '--max-drop', 'slice 1 point', '--baseline', name];
      const { exitCode, stderr } = await runFake([command, ...(command === 'gate' ? gates : [name])], {
        folder,
      });
      expect(exitCode).toBe(2);
      expect(stderr).toContain('is no regular file');
    }
  });

  it('writes a first baseline, compares with it, and keeps it where a requirement fails', async () => {
    const folder = await temporaryFolder();
    const worse = sampleReport();
    worse.limits.slice.pruned = 0.8;
    await reportIn(folder, 'good.json');
    await reportIn(folder, 'worse.json', worse);
    const baseline = ['--baseline', 'base.json', '--max-drop', 'slice 2 points'];
    const first = await runFake(['gate', 'good.json', ...baseline, '--update'], { folder });
    expect(first.exitCode).toBe(0);
    expect(first.stderr).toContain('is written anew');
    const fallen = await runFake(['gate', 'worse.json', ...baseline], { folder });
    expect(fallen.exitCode).toBe(1);
    const kept = await runFake(
      ['gate', 'worse.json', ...baseline, '--update', '--require', 'slice >= 0.85'],
      { folder },
    );
    expect(kept.exitCode).toBe(1);
    expect(kept.stderr).toContain('stays as it is');
    expect(JSON.parse(await readFile(join(folder, 'base.json'), 'utf8'))).toEqual(sampleReport());
  });

  it('analyses a model, with the options of analyze', async () => {
    const folder = await temporaryFolder();
    const { exitCode, asked } = await runFake(
      ['gate', 'models/mlp', '--data', 'data', '--seed', '3', '--require', 'slice >= 0.88'],
      { folder },
    );
    expect(exitCode).toBe(0);
    expect(asked.analyze).toMatchObject([{ seed: 3, data: join(folder, 'data') }]);
  });

  it('tells a misspelt field, and a compressed model that is not given, before the analysis', async () => {
    for (const [text, message] of [
      ['limits.slise.pruned >= 0.9', 'did you mean limits.slice.pruned'],
      ['headroom >= 0', 'name it with --pruned FILE'],
    ] as const) {
      const { exitCode, stderr, asked } = await runFake(['gate', 'm', '--data', 'd', '--require', text]);
      expect(exitCode).toBe(2);
      expect(stderr).toContain(message);
      expect(asked.analyze).toEqual([]);
    }
  });

  it('judges a compressed model beside a model that is analysed', async () => {
    const { exitCode, stdout } = await runFake(
      ['gate', 'm', '--data', 'd', '--pruned', 'p', '--require', 'sparsity >= 80%', '--format', 'json'],
      { folder: await temporaryFolder() },
    );
    expect(exitCode).toBe(0);
    // 80 of 100 weights are 0; the loss of the sample is 0.19861 and its slice limit 0.8812.
    const { pruned } = gateReportSchema.parse(JSON.parse(stdout));
    expect(pruned).toMatchObject({ path: 'p', sparsity: 0.8, loss: 0.25, accuracy: 0.95 });
    expect(pruned?.lossIncrease).toBeCloseTo(0.05139, 10);
    expect(pruned?.headroom).toBeCloseTo(0.0812, 10);
  });

  it('writes JUnit XML and the summary of a GitHub step', async () => {
    const folder = await temporaryFolder();
    await reportIn(folder, 'report.json');
    const summary = join(folder, 'summary.md');
    const { stdout } = await runFake(
      ['gate', 'report.json', '--require', 'slice >= 0.9', '--junit', 'gate.xml', '--format', 'github'],
      { folder, env: { GITHUB_STEP_SUMMARY: summary } },
    );
    expect(stdout).toMatch(/^::error title=/);
    expect(await readFile(join(folder, 'gate.xml'), 'utf8')).toContain('failures="1"');
    expect(await readFile(summary, 'utf8')).toContain('Failed: 0 passed, 1 failed');
  });

  it('refuses to write over what it reads', async () => {
    const { exitCode, stderr } = await gate(['--require', 'slice >= 0', '--junit', 'report.json']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('which this command reads');
  });
});

describe('gates of prune-limit.json', () => {
  async function folderWith(config: unknown, name = 'prune-limit.json'): Promise<string> {
    const folder = await temporaryFolder();
    await reportIn(folder, 'report.json');
    await writeFile(join(folder, name), JSON.stringify(config));
    return folder;
  }

  it('are judged, a warning without a part in the verdict', async () => {
    const folder = await folderWith({
      seed: 3,
      gate: ['slice >= 0.88', { require: 'slice >= 0.99', level: 'warn' }],
      baseline: 'not-there.json',
    });
    const { exitCode, stdout } = await runFake(['gate', 'report.json', '--format', 'json'], { folder });
    expect(exitCode).toBe(0);
    const { gates, baseline } = gateReportSchema.parse(JSON.parse(stdout));
    expect(gates.map(({ verdict, level }) => [verdict, level])).toEqual([
      ['pass', 'error'],
      ['fail', 'warn'],
    ]);
    expect(baseline).toBeNull();
  });

  it('are replaced by options, and read from --config', async () => {
    const folder = await folderWith({ gate: ['slice >= 0.99'] }, 'other.json');
    const named = ['gate', 'report.json', '--config', 'other.json'];
    expect((await runFake(named, { folder })).exitCode).toBe(1);
    expect((await runFake([...named, '--require', 'slice >= 0.88'], { folder })).exitCode).toBe(0);
  });

  it('have a baseline relative to the file', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'ci'));
    const better = sampleReport();
    better.limits.slice.pruned = 0.99;
    await reportIn(folder, 'report.json');
    await reportIn(join(folder, 'ci'), 'base.json', better);
    await writeFile(
      join(folder, 'ci/gates.json'),
      JSON.stringify({ gate: [{ maxDrop: 'slice 1 point' }], baseline: 'base.json' }),
    );
    const { exitCode, stdout } = await runFake(['gate', 'report.json', '--config', 'ci/gates.json'], {
      folder,
    });
    expect(exitCode).toBe(1);
    expect(stdout).toContain('ci/base.json');
  });

  it('stand next to the model, and analyze passes them by', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'models/mlp'), { recursive: true });
    await writeFile(join(folder, 'models/mlp/prune-limit.json'), '{"gate": ["slice >= 0.999"], "data": "d"}');
    expect((await runFake(['gate', 'models/mlp'], { folder })).exitCode).toBe(1);
    expect((await runFake(['analyze', 'models/mlp'], { folder })).exitCode).toBe(0);
  });

  it.each([
    [{ gate: 'slice >= 0.9' }, 'is no list'],
    [{ gate: [1] }, 'gate[0]: 1 is neither text nor an object'],
    [{ gate: ['slice'] }, 'gate[0]: "slice" is no requirement'],
    [{ gate: ['slice >= 0.9', { maxDrop: 'slice 1', maxRise: 'slice 1' }] }, 'gate[1]'],
    [{ gate: [{ level: 'warn' }] }, 'needs one of require, maxDrop, maxRise'],
    [{ gate: [{ require: 'slice >= 0.9', level: 'info' }] }, 'is neither error nor warn'],
    [{ gate: [{ requires: 'slice >= 0.9' }] }, 'did you mean "require"?'],
    [{ gates: ['slice >= 0.9'] }, 'did you mean "gate"?'],
    [{ gate: [{ maxDrop: 'slice 1 point' }] }, 'need --baseline'],
    [{ gate: [{ maxDrop: 'slice 1 point' }], baseline: 'b.json' }, 'prune-limit.json: "baseline" '],
    [{ gate: ['slice >= 0'], baseline: 1 }, 'is no path'],
    [{ gate: [] }, 'say what is asked for'],
  ])('%j is exit code 2', async (config, message) => {
    const { exitCode, stderr, stdout } = await runFake(['gate', 'report.json'], {
      folder: await folderWith(config),
    });
    expect(stderr).toContain(message);
    expect(stderr.trim()).not.toContain('\n');
    expect(exitCode).toBe(2);
    expect(stdout).toBe('');
  });
});

describe('prune-limit compare', () => {
  it('prints a table, JSON or Markdown', async () => {
    const folder = await temporaryFolder();
    const after = sampleReport();
    after.limits.slice.pruned = 0.89;
    await reportIn(folder, 'a.json');
    await reportIn(folder, 'b.json', after);
    const run = (format: string) => runFake(['compare', 'a.json', 'b.json', '--format', format], { folder });
    expect((await run('table')).stdout).toContain('1 number moved');
    expect(JSON.parse((await run('json')).stdout).numbers).toContainEqual(
      expect.objectContaining({ name: 'limits.slice.pruned', movement: 'up' }),
    );
    expect((await run('markdown')).stdout).toContain('<details>');
  });
});
