/** A Redis server of one's own, on a free loopback port, that keeps nothing unless its options say so. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whether one is installed. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

/** A port that nothing listens at. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts one; see `redis-server.d.ts`. */
export async function openRedis(...options) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'prune-limit-redis-'));
  let child = null;
  const kill = async () => {
    const ending = child;
    if (ending !== null && ending.exitCode === null && ending.signalCode === null) {
      const ended = new Promise((resolve) => ending.once('exit', resolve));
      ending.kill('SIGKILL');
      await ended;
    }
  };
  const start = async () => {
    const given = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...options];
    child = spawn('redis-server', given, { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const text of child.stdout) {
      if (/Ready to accept connections/.test(String(text))) {
        break;
      }
    }
  };
  await start();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child.pid;
    },
    kill,
    start,
    signal: (signal) => child.kill(signal),
    close: async () => {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
