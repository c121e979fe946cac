/** Analyses over workers that are disturbed: processes, servers and what becomes of them, for `faults.js`. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { openRedis } from './redis-server.js';

const program = fileURLToPath(new URL('../bin/prune-limit.js', import.meta.url));
const home = fileURLToPath(new URL('..', import.meta.url));
const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url));
export const folder = mkdtempSync(join(tmpdir(), 'prune-limit-faults-'));
const running = new Set();

/** Ends all processes that are left. */
export function killAll() {
  for (const child of running) {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
}

process.on('exit', () => {
  killAll();
  rmSync(folder, { recursive: true, force: true });
});
process.on('SIGINT', () => process.exit(130));

const asked = [
  'fixtures/mnist-lomp',
  ...['--data', 'fixtures/mnist-subset', '--examples', '400', '--shards', '8', '--threads', '1'],
  ...['--probes', '1', '--steps', '60', '--tolerance', '0.001', '--ratios', '0.5', '--backend', 'onnx'],
];

/** Starts the program in a process that is not watched over: signals come to who computes. */
function start(args, env = {}) {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: home,
    env: { ...process.env, ...env },
    // A group, so that SIGKILL and SIGSTOP come to both of its processes.
    detached: true,
  });
  running.add(child);
  const started = {
    said: '',
    signal: (signal) => process.kill(-child.pid, signal),
    asked: (signal) => child.kill(signal),
    ended: new Promise((resolve) => {
      child.on('close', (code) => {
        running.delete(child);
        resolve(code);
      });
    }),
  };
  child.stderr.on('data', (chunk) => {
    started.said += chunk;
  });
  return started;
}

/** Waits until a process has said something, for so many seconds. */
export async function says(process, words, seconds = 120) {
  for (let waited = 0; waited < 10 * seconds; waited++) {
    if (words.test(process.said)) {
      return;
    }
    await sleep(100);
  }
  throw new Error(`waited in vain for ${words}; said was: ${process.said}`);
}

let reports = 0;
export const worker = (url, args = [], env = {}) =>
  start(['worker', url, '--root', home, '--threads', '1', ...args], env);
export function analysis(url, args = [], env = {}) {
  const path = join(folder, `report-${++reports}.json`);
  const workers = url === null ? [] : ['--workers', url];
  return Object.assign(start(['analyze', ...asked, ...workers, '--json', path, ...args], env), { path });
}

/** A report without its timing and who computed it. */
function report({ path }) {
  const { timing: _, engine, ...rest } = JSON.parse(readFileSync(path, 'utf8'));
  return JSON.stringify({ ...rest, engine: { ...engine, workers: undefined } });
}

export async function keysAt(redis) {
  const client = new Redis(redis.port);
  try {
    return (await client.keys('*')).length;
  } finally {
    client.disconnect();
  }
}

/** Waits until a run is among its Lanczos products. */
export async function amongProducts(redis) {
  const client = new Redis(redis.port);
  try {
    for (let waited = 0; waited < 2400; waited++) {
      const sums = await client.keys('prune-limit:*:sums:sum-*');
      if (sums.some((key) => Number(/sum-(\d+)/.exec(key)[1]) >= 15)) {
        return;
      }
      await sleep(50);
    }
  } finally {
    client.disconnect();
  }
  throw new Error('no product was asked for in two minutes');
}

const local = analysis(null);
if ((await local.ended) !== 0) {
  throw new Error(`the local analysis failed: ${local.said}`);
}
const expected = report(local);

/** Whether an analysis has the report of the local one. */
export const isExpected = (run) => report(run) === expected;

/** What became of an analysis that is to end with the local report. */
export async function sameReport(run, redis, words = /./) {
  const code = await run.ended;
  if (code !== 0) {
    return `NOT RIGHT: exit ${code}: ${run.said}`;
  }
  const equal = isExpected(run);
  let left = await keysAt(redis);
  // Workers that stay for a server which has come back leave, and remove what they made, after half a minute.
  for (let waited = 0; left > 0 && waited < 45; waited++) {
    await sleep(1000);
    left = await keysAt(redis);
  }
  const line = words.exec(run.said)?.[0];
  return `${equal ? 'the same' : 'NOT RIGHT: another report'}${left > 0 ? `, NOT RIGHT: ${left} keys left` : ''}${line === undefined ? ', NOT RIGHT: nothing said' : words.source === '.' ? '' : `: "${line}"`}`;
}

/** What became of one that is to end with a line. */
export async function endsWith(run, exit, words) {
  const code = await run.ended;
  const line = words.exec(run.said)?.[0];
  return code === exit && line !== undefined
    ? `exit ${code}: "${line}"`
    : `NOT RIGHT: exit ${code}: ${run.said}`;
}

/** Does something to a run of two workers among its products. */
export function disturbed(disturb, words, options = []) {
  return async () => {
    const redis = await openRedis(...options);
    const workers = [worker(redis.url), worker(redis.url)];
    const run = analysis(redis.url);
    try {
      await Promise.all(workers.map((each) => says(each, /takes part/)));
      await amongProducts(redis);
      await disturb({ redis, workers, run });
      return await sameReport(run, redis, words);
    } finally {
      await end(redis, workers);
    }
  };
}

export async function end(redis, workers) {
  for (const each of workers) {
    try {
      each.signal('SIGCONT');
      each.signal('SIGKILL');
    } catch {
      // It has ended.
    }
  }
  await redis.close();
}

export function withWorkers(count) {
  return async () => {
    const redis = await openRedis();
    const workers = Array.from({ length: count }, () => worker(redis.url));
    try {
      return await sameReport(analysis(redis.url), redis);
    } finally {
      await end(redis, workers);
    }
  };
}

/** An analysis that a worker refuses; what the analysis says of it. */
export function refused(workerArgs, words, changes = () => {}) {
  return async () => {
    const redis = await openRedis();
    changes();
    const workers = [worker(redis.url, workerArgs)];
    const run = analysis(redis.url);
    try {
      await says(run, words);
      return `refused: "${words.exec(run.said)[0]}"`;
    } finally {
      run.signal('SIGKILL');
      await run.ended;
      await end(redis, workers);
    }
  };
}

/** A folder in which model and data lie where they do here, one of them changed. */
export function otherFiles(changed) {
  const root = join(folder, `other-${changed.replaceAll('/', '-')}`);
  const at = join(root, 'fixtures');
  mkdirSync(at, { recursive: true });
  spawnSync('cp', ['-r', `${fixtures}/.`, at]);
  const path = join(at, changed);
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] ^= 1;
  writeFileSync(path, bytes);
  return root;
}
