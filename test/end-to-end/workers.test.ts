import { describe, expect, it, onTestFinished } from 'vitest';
import { hasRedis } from '../../bench/redis-server.js';
import { silentProgress } from '../../src/progress.js';
import { work } from '../../src/worker.js';
import { startRedis, until } from '../workers/support.js';
import { analyzed, newFolder, runReal, withoutTiming, writeMlp, writeVectors } from './support.js';

const options = ['--backend', 'cpu', '--probes', '1', '--steps', '6', '--ratios', '0.5', '--quiet'];

/** A worker in this process, which takes its turns between those of the analysis. */
function startWorker(url: string, root: string): { notes: string[]; stop(): Promise<void> } {
  const stopping = new AbortController();
  const notes: string[] = [];
  const progress = { ...silentProgress, note: (note: string) => notes.push(note) };
  const engine = { backend: 'cpu', threads: null, memoryLimitBytes: null } as const;
  const working = work({ url, root, ...engine }, progress, stopping.signal);
  const stop = async (): Promise<void> => {
    stopping.abort();
    await working;
  };
  onTestFinished(stop);
  return { notes, stop };
}

describe.skipIf(!hasRedis)('an analysis over workers', () => {
  it('has the digits of a local one with as many shards, also when a worker ends', async () => {
    const { url } = await startRedis();
    const args = [writeMlp([4, 8, 3], 'softmax'), '--data', writeVectors(4, 3), ...options, '--shards', '5'];
    const local = withoutTiming(await analyzed(...args));
    expect(local.options).toMatchObject({ shards: 5 });

    const elsewhere = startWorker(url, newFolder());
    const leaving = startWorker(url, '/');
    const running = analyzed(...args, '--workers', url);
    await until(() => leaving.notes.some((note) => /takes part/.test(note)));
    startWorker(url, '/');
    await leaving.stop();
    const { engine, ...rest } = withoutTiming(await running);
    expect(engine.workers).toMatchObject({ drifting: 0 });
    expect({ ...rest, engine: { ...engine, workers: undefined } }).toEqual(local);
    expect(JSON.stringify({ ...rest, engine })).not.toContain(url);
    expect(elsewhere.notes.join()).toMatch(/is not below --root .*; name a folder/);
  });

  it('says before it reads anything that no server answers', async () => {
    const { url, kill } = await startRedis();
    const waiting = startWorker(url, '/');
    await until(() => waiting.notes.length > 0);
    await kill();
    const { exitCode, stderr } = await runReal(
      'analyze',
      writeMlp([4, 3], 'softmax'),
      '--data',
      'd',
      '-q',
      '--workers',
      url,
    );
    expect([exitCode, stderr]).toEqual([
      2,
      `prune-limit: ${url}: no Redis or Valkey server answers (ECONNREFUSED); start one there, or mend the address\n`,
    ]);
    await waiting.stop();
  });
});
