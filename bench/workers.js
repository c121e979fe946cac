/**
 * What it costs to hand a product out and take it back: seconds and bytes, by the number of weights and of workers, on
 * sums that cost next to nothing, through a Redis server of its own on this machine.
 *
 *   npm run build && node bench/workers.js [--dimensions 32000,266200,25000000] [--workers 1,2,4] [--products 10]
 */
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
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
import { openRedis } from './redis-server.js';

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

/** Bytes that a server has taken and given. */
async function traffic({ redis }) {
  const stats = await redis.info('stats');
  const read = (name) => Number(new RegExp(`${name}:(\\d+)`).exec(stats)[1]);
  return { taken: read('total_net_input_bytes'), given: read('total_net_output_bytes') };
}

/** Processor seconds of a process. */
function processorSeconds(pid) {
  const ticks = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13).map(Number);
  return (ticks[0] + ticks[1]) / 100;
}

async function measure({ url, pid }, dimension, workers, products) {
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
    const bytesBefore = remote.facts().bytes;
    const before = { ...(await traffic(server)), own: process.cpuUsage(), server: processorSeconds(pid) };
    for (let i = 0; i < products; i++) {
      const start = performance.now();
      await remote.sums.products([vector], { start: 0, end: SHARDS });
      seconds.push((performance.now() - start) / 1000);
    }
    const { taken, given } = await traffic(server);
    const own = process.cpuUsage(before.own);
    const megabytes = (bytes) => `${(bytes / products / 1e6).toFixed(2)} MB`;
    const vectors = (bytes) => (bytes / products / (4 * dimension)).toFixed(2);
    console.log(
      [
        `D ${dimension.toLocaleString('en')}, ${workers} workers: ${median(seconds).toFixed(3)} s a product`,
        `analysis ${megabytes(remote.facts().bytes - bytesBefore)} (${vectors(remote.facts().bytes - bytesBefore)} vectors), ${((own.user + own.system) / 1e6 / products).toFixed(3)} CPU s`,
        `server in ${megabytes(taken - before.taken)} (${vectors(taken - before.taken)}), out ${megabytes(given - before.given)} (${vectors(given - before.given)}), ${((processorSeconds(pid) - before.server) / products).toFixed(3)} CPU s`,
      ].join('; '),
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
  const redis = await openRedis();
  try {
    for (const dimension of values.dimensions.split(',').map(Number)) {
      for (const workers of values.workers.split(',').map(Number)) {
        await measure(redis, dimension, workers, Number(values.products));
      }
    }
  } finally {
    await redis.close();
  }
}
