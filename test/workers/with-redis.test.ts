import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hasRedis } from '../../bench/redis-server.js';
import { InputError } from '../../src/errors.js';
import { connectServer } from '../../src/workers/server.js';
import { openRun, results, startRedis, startWorker, testSums, until } from './support.js';

/** Keys that are left at a server. */
async function keysLeft(port: number): Promise<string[]> {
  const redis = new Redis(port);
  try {
    return await redis.keys('*');
  } finally {
    redis.disconnect();
  }
}

if (!hasRedis) {
  console.warn('redis-server is not installed: what workers do with one is not tested');
}

describe.skipIf(!hasRedis)('sums by workers', () => {
  it('have the bits of this process, whatever their number, and nothing is left', async () => {
    const { url, port } = await startRedis();
    for (const [shards, workers] of [
      [1, 1],
      [13, 2],
      [8, 3],
    ]) {
      const remote = await openRun(url, shards);
      const started = [];
      for (let i = 0; i < workers; i++) {
        started.push(await startWorker(url, { shards }));
      }
      expect(await results(remote.sums)).toEqual(await results(testSums({ shards })));
      await until(() => remote.facts().most === workers);
      expect(await results(remote.sums)).toEqual(await results(testSums({ shards })));
      expect(remote.facts().drifting).toEqual([]);
      await remote.close();
      await until(async () => (await keysLeft(port)).length === 0);
      await Promise.all(started.map((worker) => worker.stop()));
    }
  });

  it('go on when a worker leaves, and when one falls silent in a job', async () => {
    const { url } = await startRedis();
    const shards = 8;
    const remote = await openRun(url, shards);
    let jobs = 0;
    let silent = false;
    const never = new Promise<void>(() => {});
    const leaving = await startWorker(url, {
      shards,
      // The three sums of the first shard are answered, no job is.
      before: () => (jobs++ < 3 ? Promise.resolve() : never),
    });
    const first = results(remote.sums);
    await until(() => jobs > 3);
    await startWorker(url, { shards, before: () => (silent ? never : Promise.resolve()) });
    await leaving.stop();
    const expected = await results(testSums({ shards }));
    expect(await first).toEqual(expected);
    // Times are known by now: what the silent one has is given to another after a few seconds.
    silent = true;
    const second = results(remote.sums);
    await startWorker(url, { shards });
    expect(await second).toEqual(expected);
    expect(remote.facts().repeated).toBeGreaterThan(1);
  });

  it('go on when the server comes back with nothing', async () => {
    const redis = await startRedis();
    const shards = 8;
    const remote = await openRun(redis.url, shards);
    let jobs = 0;
    let hold: Promise<void> = Promise.resolve();
    let release: () => void = () => {};
    await startWorker(redis.url, {
      shards,
      before: async () => {
        jobs++;
        await hold;
      },
    });
    await remote.sums.gradient(new Float32Array(50), { start: 0, end: shards });
    hold = new Promise((resolve) => {
      release = resolve;
    });
    const before = jobs;
    const asked = results(remote.sums);
    await until(() => jobs > before);
    await redis.kill();
    await redis.start();
    release();
    expect(await asked).toEqual(await results(testSums({ shards })));
    await until(() => remote.notes.some((note) => /has lost what was there; it is sent again/.test(note)));
  });

  it('are given up when the server does not come back', async () => {
    const redis = await startRedis();
    const shards = 2;
    const run = await openRun(redis.url, shards, {}, { silence: 0.5, lost: 1.5 });
    await startWorker(redis.url, { shards });
    await results(run.sums);
    await redis.kill();
    const failure = await results(run.sums).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(InputError);
    expect(String(failure)).toMatch(
      /redis:.* has not answered for 1\.5 s; start the server again, and the analysis$/,
    );
    expect(run.notes.join('\n')).toMatch(/redis:.* has not answered for 1 s: this run waits for it/);
  });

  it('take no worker with other files or another arithmetic, unless that is allowed', async () => {
    const { url } = await startRedis();
    const shards = 2;
    const other = new InputError(
      'workers/other-files',
      'm: is not what the analysis has; copy it from there',
    );
    const run = await openRun(url, shards);
    const wrong = await startWorker(url, { shards }, () => Promise.reject(other));
    const drifting = await startWorker(url, { shards, scale: 1 + 2 ** -20 });
    await until(() => run.notes.filter((note) => /does not take part/.test(note)).length === 2);
    expect(run.notes.join('\n')).toMatch(/does not take part: m: is not what the analysis has; copy it/);
    expect(run.notes.join('\n')).toMatch(
      /its first shard differs by 9\.\de-7 .*give --allow-drift to analyze/,
    );
    expect(wrong.notes.join('\n')).toMatch(/does not take part in run \w+: m: is not/);
    expect(drifting.notes.join('\n')).toMatch(/does not take part in run \w+: its first shard differs/);
    await run.close();
    const allowed = await openRun(url, shards, { allowDrift: true });
    await until(() => allowed.facts().drifting.length === 1);
    await startWorker(url, { shards, scale: 1.01 });
    await until(() => allowed.notes.some((note) => /more than rounding explains; use the same/.test(note)));
  });

  it('are those of the next run where the analysis of one falls silent', async () => {
    const { url, port } = await startRedis();
    const shards = 2;
    // Looks once, and not again while the test lasts: as if it had been killed.
    await openRun(url, shards, {}, { look: 3600 });
    const worker = await startWorker(url, { shards }, undefined, 0.3);
    await until(() => worker.notes.some((note) => /takes part/.test(note)));
    const admin = new Redis(port);
    onTestFinished(() => admin.disconnect());
    const beats = await admin.keys('*:beat');
    expect(beats).toHaveLength(1);
    expect(await admin.ttl(beats[0])).toBeGreaterThan(0);
    const next = await openRun(url, shards);
    // As made in the moment in which all were killed.
    const job = beats[0].replace(/beat$/, 'shards:job-1');
    await admin.hset(job, 'name', 'sum');
    expect(await admin.ttl(job)).toBe(-1);
    await admin.del(beats);
    expect(await results(next.sums)).toEqual(await results(testSums({ shards })));
    expect(worker.notes.filter((note) => /is silent/.test(note))).toHaveLength(1);
    await next.close();
    await until(async () => (await admin.ttl(job)) > 0);
  });

  it('end with one line where the server is full or refuses', async () => {
    const small = await startRedis('--maxmemory-policy', 'noeviction');
    const admin = new Redis(small.port);
    onTestFinished(() => admin.disconnect());
    const shards = 2;
    const run = await openRun(small.url, shards);
    await startWorker(small.url, { shards });
    await results(run.sums);
    await admin.config('SET', 'maxmemory', '1');
    await expect(results(run.sums)).rejects.toThrow(/the server is full \(maxmemory\); allow it more memory/);
    await admin.config('SET', 'maxmemory', '0');

    const guarded = await startRedis('--requirepass', 'secret');
    for (const url of [guarded.url, guarded.url.replace('//', '//:wrong@')]) {
      const failure = await connectServer(url).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(InputError);
      expect(String(failure)).toMatch(/wants another user or password; .* PRUNE_LIMIT_REDIS_PASSWORD/);
      expect(String(failure)).not.toMatch(/secret|wrong/);
    }
    (await connectServer(guarded.url.replace('//', '//:secret@'))).close();
    await guarded.kill();
    await expect(connectServer(guarded.url)).rejects.toThrow(
      /no Redis or Valkey server answers \(ECONNREFUSED\); start one there/,
    );
  });
});
