/**
 * `npm run bench -- --roofline`: what every stage of an analysis attains of what the machine would. Operations of matrix
 * products and convolutions and the bytes that are read and written are counted in the traced programs; at the speeds
 * that large matrix products and sums reach in the same run, a stage takes at least the longer of the two times.
 *
 * - `--only TEXT`: networks whose name holds the text; may be given several times
 * - `--threads N`: with so many only; by default one and two
 */
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { COMPUTING_OPTIONS } from '../dist/cli/start.js';
import { missing } from './cases.js';
import { MATRIX_SIZE, processor } from './machine.js';
import { casesNamed, peerCases } from './peer-cases.js';
import { pythonWithTorch, torchEnvironment } from './torch-process.js';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

function measured(benchCase, threads) {
  const index = String(peerCases.indexOf(benchCase));
  const { status, stdout } = spawnSync(
    process.execPath,
    [...COMPUTING_OPTIONS, path('roofline-worker.js'), index, String(threads)],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  );
  if (status !== 0) {
    process.exitCode = 1;
    return null;
  }
  return JSON.parse(stdout);
}

/** PyTorch's speed in products of large matrices, in GFLOPS by wall and by CPU time; null without PyTorch. */
function torchSpeed(python, threads) {
  if (python === undefined) {
    return null;
  }
  const { status, stdout } = spawnSync(python, [path('peers/matrix_products.py'), String(threads)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...torchEnvironment(threads) },
  });
  return status === 0 ? JSON.parse(stdout) : null;
}

const share = (attainable, taken) => `${((100 * attainable) / taken).toFixed(0)} %`;

/** Four columns of a stage with so many threads. */
function columns({ operations, trafficBytes, wallMs, cpuMs }, { gigaflops, gigabytes }) {
  const attainable = (by) => Math.max(operations / gigaflops[by], trafficBytes / gigabytes[by]) / 1e6;
  const ms = (value) => value.toFixed(value < 10 ? 2 : 1);
  return [ms(wallMs), share(attainable('wall'), wallMs), ms(cpuMs), share(attainable('cpu'), cpuMs)];
}

/** The speeds of a run with the matrix products of whichever library is faster. */
function fastest({ gigaflops, gigabytes }, torch) {
  const best = (by) => Math.max(gigaflops[by], torch?.[by] ?? 0);
  return { gigabytes, gigaflops: { wall: best('wall'), cpu: best('cpu') } };
}

function ratio(stages, one, other, value) {
  const find = (name) => stages.find((stage) => stage.name === name);
  return (value(find(one)) / value(find(other))).toFixed(2);
}

/** Prints the table of a network. */
function print(benchCase, runs) {
  const table = new Table({
    head: [
      'stage',
      'GFLOP',
      'MB',
      ...runs.flatMap(({ threads }) => [
        `ms, ${threads} thread${threads === 1 ? '' : 's'}`,
        'of limit',
        'CPU ms',
        'of limit',
      ]),
    ],
    colAligns: ['left', ...Array(2 + 4 * runs.length).fill('right')],
    style: { head: [], border: [], compact: true },
  });
  const [first] = runs;
  for (const [index, { name, operations, trafficBytes }] of first.stages.entries()) {
    table.push([
      name.replace(/, of \d+$/, ''),
      (operations / 1e9).toFixed(2),
      (trafficBytes / 1e6).toFixed(0),
      ...runs.flatMap(({ stages, speeds }) => {
        const same = stages.find((stage) => stage.name === name) ?? stages[index];
        return same === undefined ? Array(4).fill('') : columns(same, speeds);
      }),
    ]);
  }
  const steps = first.stages.find(({ name }) => name.startsWith('Lanczos'))?.name.match(/\d+/)?.[0];
  const plan = `${benchCase.examples} examples in batches of ${first.batchSize}, shared parts ${first.plan}`;
  console.log(`\n${benchCase.name}, ${first.dimension.toLocaleString('en')} weights, ${plan}\n${table}`);
  for (const { threads, stages, measuredSpeeds, torch } of runs) {
    const speed = ({ wall, cpu }) => `${wall.toFixed(0)} (of CPU time ${cpu.toFixed(0)})`;
    const other = torch === null ? '' : `, PyTorch ${speed(torch)}`;
    console.log(
      `threads ${threads}: ${MATRIX_SIZE} x ${MATRIX_SIZE} products at ${speed(measuredSpeeds.gigaflops)} GFLOPS by ONNX Runtime${other}; sums at ${speed(measuredSpeeds.gigabytes)} GB/s; product : gradient ${ratio(stages, 'product', 'gradient', ({ wallMs }) => wallMs)} by time, ${ratio(stages, 'product', 'gradient', ({ cpuMs }) => cpuMs)} by CPU time, ${ratio(stages, 'product', 'gradient', ({ operations }) => operations)} by count; Lanczos steps are the mean of the first ${steps}`,
    );
  }
}

/** Prints a table for every network that is there. */
export function runRoofline(argumentList) {
  const { values } = parseArgs({
    args: argumentList,
    options: {
      roofline: { type: 'boolean' },
      only: { type: 'string', multiple: true, default: [] },
      threads: { type: 'string', multiple: true, default: ['1', '2'] },
    },
  });
  const settings = values.threads.map(Number).filter((threads) => threads <= cpus().length);
  const python = pythonWithTorch();
  console.log(processor());
  for (const benchCase of casesNamed(values.only)) {
    const reason = missing(benchCase);
    if (reason !== null) {
      console.log(`${benchCase.name}: left out, ${reason}`);
      continue;
    }
    const runs = [];
    for (const threads of settings) {
      process.stderr.write(`measuring ${benchCase.name}, threads ${threads}\n`);
      const torch = torchSpeed(python, threads);
      const result = measured(benchCase, threads);
      if (result !== null) {
        runs.push({
          ...result,
          threads,
          torch,
          measuredSpeeds: result.speeds,
          speeds: fastest(result.speeds, torch),
        });
      }
    }
    if (runs.length > 0) {
      print(benchCase, runs);
    }
  }
  console.log(
    '\nof limit: the longer of operations / speed of products (of the faster library) and bytes / speed of sums, over the time taken; medians of several runs of short stages',
  );
}
