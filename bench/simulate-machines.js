/**
 * How long the products of an analysis take on 1, 4, 16 and 64 machines: a model of `--workers` with costs that were
 * measured, or scaled from measured ones, each an option. docs/many-machines.md explains them and shows the result.
 *
 *   node bench/simulate-machines.js [--example-seconds S] [--weights D] [--products N] ...
 */
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { defaultShards, shardBounds } from '../dist/programs/shards.js';
import { nodesFor } from '../dist/workers/hand-out.js';

const { values } = parseArgs({
  options: {
    /** Seconds of a product of one example on one machine. */
    'example-seconds': { type: 'string', default: '0.028' },
    weights: { type: 'string', default: '25502912' },
    products: { type: 'string', default: '100' },
    /** Seconds of one thread, of the analysis or of a worker, for a byte that it sends, and one that it receives, checks and adds. */
    'send-seconds': { type: 'string', default: '1.9e-9' },
    'receive-seconds': { type: 'string', default: '1.9e-9' },
    /** Seconds of the server's one thread for a byte that it takes or gives. */
    'server-seconds': { type: 'string', default: '0.6e-9' },
    /** Seconds of a job besides: the queue, and the answer. */
    latency: { type: 'string', default: '0.02' },
  },
});
const option = (name) => Number(values[name]);
const bytes = 4 * option('weights');

/** Seconds of one product, and the part of it that is not computing. */
function product(examples, machines, bitsPerSecond) {
  const shards = Math.max(machines, defaultShards(examples));
  if (machines === 1) {
    return { seconds: examples * option('example-seconds'), share: 0 };
  }
  const bounds = shardBounds(examples, shards);
  const nodes = nodesFor(machines, shards);
  const sizes = nodes.map(({ start, end }) => bounds[end] - bounds[start]).sort((a, b) => b - a);
  // Machines take the next job when they are done with one.
  const busy = new Float64Array(machines);
  for (const size of sizes) {
    busy[busy.indexOf(Math.min(...busy))] += size * option('example-seconds') + option('latency');
  }
  const computing = Math.max(...busy);
  const [wire, served, sent, received] = [
    (8 * bytes) / bitsPerSecond,
    bytes * option('server-seconds'),
    bytes * option('send-seconds'),
    bytes * option('receive-seconds'),
  ];
  // All workers read the vector through the one link of the server and its one thread.
  const out = sent + Math.max(wire, served) + machines * Math.max(wire, served);
  // Of each pair of siblings one is stored and read by the other: level by level, from all nodes to one, which the
  // analysis reads. The link takes and gives at the same time, the server's thread does not; pairs wait for both, and
  // each for its two workers.
  let back = 0;
  for (let pairs = Math.floor(nodes.length / 2); pairs >= 1; pairs = Math.floor(pairs / 2)) {
    const pair = sent + received + 2 * Math.max(wire, served);
    back += Math.max(pair, pairs * Math.max(wire, 2 * served));
  }
  back += sent + received + 2 * Math.max(wire, served);
  const seconds = out + computing + back;
  return { seconds, share: 1 - (examples * option('example-seconds')) / machines / seconds };
}

const hours = (value) => (value < 100 ? value.toPrecision(3) : Math.round(value).toLocaleString('en'));

const table = new Table({
  head: ['examples', 'machines', 'hours, 1 Gbit/s', 'not computing', 'hours, 10 Gbit/s', 'not computing'],
  style: { head: [], border: [] },
});
for (const examples of [16_384, 1_281_167]) {
  for (const machines of [1, 4, 16, 64]) {
    const cells = [1e9, 1e10].flatMap((rate) => {
      const { seconds, share } = product(examples, machines, rate);
      return [hours((seconds * option('products')) / 3600), `${(100 * share).toFixed(1)} %`];
    });
    table.push([examples.toLocaleString('en'), machines, ...cells]);
  }
}
console.log(table.toString());
