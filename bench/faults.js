/**
 * What an analysis over workers does when something breaks: the table of docs/many-machines.md, each line carried out
 * with processes of their own, a Redis server of its own, and this repository's MNIST fixture (after `npm run build`).
 *
 *   node bench/faults.js [--only PATTERN] [--long]
 *
 * Prints what was seen; ends with 1 where a report was another than the local one, or a line was missing. `--long` adds
 * those that wait for minutes.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import {
  amongProducts,
  analysis,
  disturbed,
  end,
  endsWith,
  folder,
  isExpected,
  keysAt,
  killAll,
  otherFiles,
  refused,
  sameReport,
  says,
  withWorkers,
  worker,
} from './faulty-runs.js';
import { openRedis } from './redis-server.js';

/** After which a fault is given up that does not wait for minutes. */
const MOST_SECONDS = 300;

const { values } = parseArgs({
  options: { only: { type: 'string', default: '' }, long: { type: 'boolean', default: false } },
});

const faults = [
  ['1 worker', withWorkers(1)],
  ['2 workers', withWorkers(2)],
  ['3 workers', withWorkers(3)],
  ['5 workers', withWorkers(5)],
  ['one worker killed (SIGKILL)', disturbed(({ workers }) => workers[0].signal('SIGKILL'))],
  [
    'all workers killed, new ones started',
    disturbed(({ redis, workers }) => {
      for (const each of workers.splice(0)) {
        each.signal('SIGKILL');
      }
      workers.push(worker(redis.url));
    }),
  ],
  ['a worker ended (SIGTERM)', disturbed(({ workers }) => workers[0].asked('SIGTERM'))],
  ['a worker stopped (SIGSTOP)', disturbed(({ workers }) => workers[0].signal('SIGSTOP'))],
  [
    'server killed, back with nothing',
    disturbed(async ({ redis }) => {
      await redis.kill();
      await redis.start();
    }, /the server has lost what was there; it is sent again/),
  ],
  [
    'server killed, back with its append-only file',
    disturbed(
      async ({ redis }) => {
        await redis.kill();
        await redis.start();
      },
      /./,
      ['--appendonly', 'yes'],
    ),
  ],
  [
    'server stopped for 70 s (SIGSTOP)',
    disturbed(async ({ redis }) => {
      redis.signal('SIGSTOP');
      await sleep(70_000);
      redis.signal('SIGCONT');
    }, /has not answered for \d+ s: this run waits for it/),
    true,
  ],
  [
    'no worker',
    async () => {
      const redis = await openRedis();
      const run = analysis(redis.url);
      try {
        const words = /no worker has answered for \d+ s: start one with: prune-limit worker \S+/;
        await says(run, words, 200);
        return `"${words.exec(run.said)[0]}"`;
      } finally {
        run.signal('SIGKILL');
        await end(redis, []);
      }
    },
    true,
  ],
  [
    'a worker with another model',
    () => refused(['--root', otherFiles('mnist-lomp/weights.bin')], /is not what the analysis has.*/)(),
  ],
  [
    'a worker with other data',
    () =>
      refused(
        ['--root', otherFiles('mnist-subset/train-labels-idx1-ubyte.gz')],
        /is not what the analysis has.*/,
      )(),
  ],
  ['a worker with another number of threads', refused(['--threads', '2'], /its first shard differs by.*/)],
  [
    'the same with --allow-drift',
    async () => {
      const redis = await openRedis();
      const workers = [worker(redis.url, ['--threads', '2'])];
      const run = analysis(redis.url, ['--allow-drift']);
      try {
        const code = await run.ended;
        const { engine, warnings } = code === 0 ? JSON.parse(readFileSync(run.path, 'utf8')) : {};
        return code === 0 && engine.workers.drifting === 1
          ? `counted: "${warnings.find((words) => /arithmetic/.test(words))}"`
          : `NOT RIGHT: exit ${code}: ${run.said}`;
      } finally {
        await end(redis, workers);
      }
    },
  ],
  [
    'server full (maxmemory, noeviction)',
    async () => {
      const redis = await openRedis('--maxmemory-policy', 'noeviction');
      const workers = [worker(redis.url)];
      const run = analysis(redis.url);
      try {
        await says(workers[0], /takes part/);
        await amongProducts(redis);
        const admin = new Redis(redis.port);
        await admin.config('SET', 'maxmemory', '1');
        const said = await endsWith(run, 2, /the server is full.*/);
        admin.disconnect();
        return said;
      } finally {
        await end(redis, workers);
      }
    },
  ],
  [
    'wrong password, or none',
    async () => {
      const redis = await openRedis('--requirepass', 'secret-word');
      try {
        const ends = [];
        for (const url of [redis.url, redis.url.replace('//', '//:wrong-word@')]) {
          const run = analysis(url);
          ends.push(await endsWith(run, 2, /the server wants another user or password.*/));
          if (/-word/.test(run.said)) {
            return 'NOT RIGHT: the password is shown';
          }
        }
        return ends[0] === ends[1] ? ends[0] : `NOT RIGHT: ${ends}`;
      } finally {
        await redis.close();
      }
    },
  ],
  [
    'the analysis interrupted (SIGINT)',
    async () => {
      const redis = await openRedis();
      const workers = [worker(redis.url), worker(redis.url)];
      const run = analysis(redis.url, ['--resume', join(folder, 'interrupted')]);
      try {
        await amongProducts(redis);
        // To both processes, as a terminal sends it.
        run.signal('SIGINT');
        const said = await endsWith(run, 130, /interrupted.*/);
        await sleep(3000);
        const left = await keysAt(redis);
        const state = existsSync(join(folder, 'interrupted'));
        const again = analysis(redis.url, ['--resume', join(folder, 'interrupted')]);
        const resumed = await sameReport(again, redis, /resumed at step \d+/);
        return `${said}${left > 0 ? `, NOT RIGHT: ${left} keys left` : ', nothing left'}${state ? '' : ', NOT RIGHT: no state'}; then ${resumed}`;
      } finally {
        await end(redis, workers);
      }
    },
  ],
  [
    'the analysis killed (SIGKILL), and resumed',
    async () => {
      const redis = await openRedis();
      const workers = [worker(redis.url), worker(redis.url)];
      const state = ['--resume', join(folder, 'killed')];
      const run = analysis(redis.url, state);
      try {
        await amongProducts(redis);
        run.signal('SIGKILL');
        await run.ended;
        const client = new Redis(redis.port);
        // Until workers have ended the job that they had: what they remove meanwhile is no longer there to be asked.
        await sleep(3000);
        const keys = await client.keys('*');
        const lifetimes = await Promise.all(keys.map((key) => client.ttl(key)));
        client.disconnect();
        const eternal = keys.filter((_, i) => lifetimes[i] === -1 || lifetimes[i] > 900);
        const again = analysis(redis.url, state);
        const code = await again.ended;
        const equal = code === 0 && isExpected(again);
        return `${eternal.length > 0 ? `NOT RIGHT: without a lifetime: ${eternal}` : `${keys.length} keys, all with a lifetime of up to 900 s`}; resumed: ${equal ? 'the same' : `NOT RIGHT: exit ${code}: ${again.said}`}`;
      } finally {
        await end(redis, workers);
      }
    },
  ],
  [
    'no server',
    async () => {
      const redis = await openRedis();
      await redis.close();
      return endsWith(analysis(redis.url), 2, /no Redis or Valkey server answers.*/);
    },
  ],
  [
    'TLS, and not',
    async () => {
      const [key, certificate] = ['key.pem', 'certificate.pem'].map((name) => join(folder, name));
      const made = spawnSync('openssl', [
        ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
        ...['-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost', '-keyout', key, '-out', certificate],
      ]);
      if (made.status !== 0) {
        return 'left out: openssl is not there';
      }
      const plain = await openRedis();
      const port = plain.port + 1;
      const tls = ['--tls-port', String(port), '--tls-cert-file', certificate, '--tls-key-file', key];
      const redis = await openRedis(...tls, '--tls-ca-cert-file', certificate, '--tls-auth-clients', 'no');
      const url = `rediss://localhost:${port}`;
      const trusted = { NODE_EXTRA_CA_CERTS: certificate };
      const workers = [worker(url, [], trusted)];
      try {
        return [
          await sameReport(analysis(url, [], trusted), redis),
          await endsWith(analysis(url), 2, /its certificate is not trusted.*/),
          await endsWith(analysis(url.replace('rediss', 'redis')), 2, /the server ended the connection.*/),
        ].join('; ');
      } finally {
        await end(redis, workers);
        await plain.close();
      }
    },
  ],
  [
    'server gone for ten minutes',
    async () => {
      const redis = await openRedis();
      const workers = [worker(redis.url)];
      const run = analysis(redis.url);
      try {
        await amongProducts(redis);
        await redis.kill();
        return await endsWith(run, 2, /has not answered for 600 s; start the server again.*/);
      } finally {
        await end(redis, workers);
      }
    },
    true,
  ],
];

for (const [name, carryOut, takesMinutes = false] of faults) {
  if (!new RegExp(values.only).test(name) || (takesMinutes && !values.long)) {
    continue;
  }
  const late = sleep(1000 * (takesMinutes ? 1200 : MOST_SECONDS)).then(() => 'NOT RIGHT: does not end');
  const seen = await Promise.race([carryOut(), late]).catch((error) => `NOT RIGHT: ${error.stack}`);
  killAll();
  console.log(`${name}: ${seen}`);
  if (seen.includes('NOT RIGHT')) {
    process.exitCode = 1;
  }
}
process.exit();
