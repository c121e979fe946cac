import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gatesOfReport } from '../../src/cli/init-command.js';
import { judgeGates, readGates } from '../../src/gate/run-gates.js';
import { renderJson } from '../../src/report/json.js';
import { reportJsonSchema } from '../../src/report/schema.js';
import { sampleReport, unresolvedReport } from '../report/sample-report.js';
import { fakeCheckpoint, runFake, temporaryFolder } from './fake-host.js';

const { sha256 } = sampleReport().model;

async function folderWithModel(): Promise<string> {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'm'));
  return folder;
}

const init = (folder: string, args: string[] = [], metadata: Record<string, unknown> = {}) =>
  runFake(['init', 'm', ...args], {
    folder,
    work: {
      readCheckpoint: async (path) => ({ ...fakeCheckpoint(join(path, 'model.json'), metadata), sha256 }),
    },
  });

const written = async (folder: string) =>
  JSON.parse(await readFile(join(folder, 'm/prune-limit.json'), 'utf8'));

describe('prune-limit init', () => {
  it('writes what the metadata of the model says', async () => {
    const folder = await folderWithModel();
    const pruneLimit = { data: '../mnist', normalize: { mean: [0.1], std: [0.3] } };
    const { exitCode, stderr, stdout } = await init(folder, [], { pruneLimit });
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(await written(folder)).toEqual(pruneLimit);
    expect(JSON.parse(stdout)).toEqual(pruneLimit);
    expect((await runFake(['analyze', 'm'], { folder })).exitCode).toBe(0);
  });

  it('takes the folder data beside the model, and says so', async () => {
    const folder = await folderWithModel();
    await mkdir(join(folder, 'm/data'));
    const { stderr } = await init(folder);
    expect(stderr).toContain('beside the model, which was not looked into');
    expect(await written(folder)).toEqual({ data: 'data' });
  });

  it('says what is not known', async () => {
    const folder = await folderWithModel();
    const { exitCode, stderr } = await init(folder);
    expect(exitCode).toBe(0);
    expect(stderr).toContain('data: not known');
    expect(await written(folder)).toEqual({});
  });

  it('makes gates of a report, which it passes', async () => {
    const folder = await folderWithModel();
    await writeFile(join(folder, 'r.json'), renderJson(sampleReport()));
    expect((await init(folder, ['--report', 'r.json'])).exitCode).toBe(0);
    // Limits of the sample: 0.8812; [0.9284, 0.9342]; [0.9641, 0.968].
    expect(await written(folder)).toMatchObject({
      data: '../data/mnist',
      gate: [
        'limits.slice.pruned >= 88.1%',
        'limits.gaussianWidth.pruned >= 92.8%',
        'limits.sharp.pruned >= 96.4%',
      ],
    });
    const gate = await runFake(['gate', 'r.json', '--config', 'm/prune-limit.json'], { folder });
    expect(gate.exitCode).toBe(0);
    expect(gatesOfReport(unresolvedReport())).toHaveLength(1);
  });

  it('never makes a gate above the limit', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.double({ min: 0, max: 1, noNaN: true }),
          fc.nat(1000).map((n) => n / 1000),
        ),
        (limit) => {
          const report = sampleReport();
          report.limits.slice.pruned = limit;
          const gates = readGates({ require: gatesOfReport(report).slice(0, 1) }, 'error');
          const judged = judgeGates(gates, { report, source: '' }, null, 'fail', reportJsonSchema());
          expect(judged.verdict).toBe('pass');
          expect(limit - judged.gates[0]!.threshold).toBeLessThan(0.002);
        },
      ),
    );
  });

  it('replaces nothing without --force', async () => {
    const folder = await folderWithModel();
    await writeFile(join(folder, 'm/prune-limit.json'), '{"seed": 1}');
    const { exitCode, stderr } = await init(folder);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('exists; add --force');
    expect(await written(folder)).toEqual({ seed: 1 });
    expect((await init(folder, ['--force'])).exitCode).toBe(0);
    expect(await written(folder)).toEqual({});
  });

  it('refuses the report of another model, and metadata that is none', async () => {
    const folder = await folderWithModel();
    const report = sampleReport();
    report.model.sha256 = 'f'.repeat(64);
    await writeFile(join(folder, 'r.json'), renderJson(report));
    for (const [args, metadata, message] of [
      [['--report', 'r.json'], {}, 'is of another model'],
      [[], { pruneLimit: { data: 3 } }, '"data"'],
      [[], { pruneLimit: [] }, 'not a JSON object'],
    ] as const) {
      const { exitCode, stderr } = await init(folder, [...args], metadata);
      expect(exitCode).toBe(2);
      expect(stderr).toContain(message);
    }
  });
});
