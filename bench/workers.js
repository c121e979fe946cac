/**
 * What it costs to hand a product out and take it back: seconds and bytes, by the number of weights and of workers, on
 * sums that cost next to nothing, through a Redis server of its own on this machine.
 *
 *   npm run build && node bench/workers.js [--dimensions 32000,266200,25000000] [--workers 1,2,4] [--products 10]
 */
import { fork, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { addVectors } from '../dist/curvature/shard-sums.js';
import { sumAlongTree } from '../dist/programs/shards.js';
import { PROTOCOL } from '../dist/workers/messages.js';
import { openRemoteSums } from '../dist/workers/remote-sums.js';
import { serve } from '../dist/workers/serve.js';
import { connectServer } from '../dist/workers/server.js';
import { firstShard } from '../dist/workers/shard-check.js';
import { median } from './median.js';

const SHARDS = 64;

/** Every shard's product is the vector itself. */
function freeSums() {
  const known = (sum) => (node) => (node.end - node.start === 1 ? Promise.resolve(sum()) : null);
  return {
    shards: SHARDS,
    outputs: async () => ({ losses: new Float32Array(1), logits: new Float32Array(1) }),
    gradient: async (weights) => ({ loss: 0, gradient: weights.slice() }),
    products: (vectors, node) =>
      // One copy stands for all shards of a node: the tree below it is not what is measured.
      sumAlongTree(
        { start: node.start, end: node.start + 1 },
        known(() => vectors.map((v) => v.slice())),
        addVectors,
      ),
  };
}

async function work(url) {
  const server = await connectServer(url);
  await serve(server, {
    withRun: ({ dimension }, use) =>
      use({ sums: freeSums(), trained: new Float32Array(dimension), backend: 'none' }),
    note: () => {},
    signal: new AbortController().signal,
  });
}

function description(dimension) {
  return {
    protocol: PROTOCOL,
    version: 'bench',
    model: { path: 'none', weights: null, sha256: '0'.repeat(64) },
    data: { path: 'none', sha256: '0'.repeat(64) },
    problem: {
      labelColumn: null,
      layout: null,
      normalize: null,
      loss: 'auto',
      examples: 'all',
      sample: 'random',
      testExamples: 'all',
      epsilon: { rule: 'batch-std' },
      epsilonExamples: 'all',
      curvature: 'hessian',
      include: [],
      exclude: [],
      seed: 0,
    },
    shards: SHARDS,
    dimension,
    arithmetic: { batchSize: 1, program: null },
    backend: 'none',
    threads: null,
    allowDrift: false,
  };
}

async function measure(url, dimension, workers, products) {
  const server = await connectServer(url);
  const trained = new Float32Array(dimension);
  const remote = await openRemoteSums(
    server,
    {
      description: description(dimension),
      reference: await firstShard(freeSums(), trained),
      trained,
      outputs: 1,
      examplesIn: () => 1,
    },
    () => {},
  );
  const children = Array.from({ length: workers }, () =>
    fork(fileURLToPath(import.meta.url), ['--serve', url]),
  );
  try {
    while (remote.facts().most < workers) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const vector = new Float32Array(dimension).fill(0.1);
    const seconds = [];
    const before = remote.facts().bytes;
    for (let i = 0; i < products; i++) {
      const start = performance.now();
      await remote.sums.products([vector], { start: 0, end: SHARDS });
      seconds.push((performance.now() - start) / 1000);
    }
    const bytes = (remote.facts().bytes - before) / products;
    console.log(
      `D ${dimension.toLocaleString('en')}, ${workers} workers: ${median(seconds).toFixed(3)} s a product, ` +
        `${(bytes / 1e6).toFixed(2)} MB to and from the server by the analysis, ` +
        `${((4 * dimension * workers) / 1e6).toFixed(2)} MB to the workers`,
    );
  } finally {
    for (const child of children) {
      child.kill('SIGKILL');
    }
    await remote.close();
    server.close();
  }
}

const { values } = parseArgs({
  options: {
    serve: { type: 'string' },
    dimensions: { type: 'string', default: '32000,266200,25000000' },
    workers: { type: 'string', default: '1,2,4' },
    products: { type: 'string', default: '10' },
  },
});
if (values.serve !== undefined) {
  await work(values.serve);
} else {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  const folder = mkdtempSync(join(tmpdir(), 'prune-limit-bench-'));
  const redis = spawn(
    'redis-server',
    ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--save', ''],
    {
      stdio: 'ignore',
    },
  );
  await new Promise((resolve) => setTimeout(resolve, 1000));
  try {
    for (const dimension of values.dimensions.split(',').map(Number)) {
      for (const workers of values.workers.split(',').map(Number)) {
        await measure(`redis://127.0.0.1:${port}`, dimension, workers, Number(values.products));
      }
    }
  } finally {
    redis.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}
