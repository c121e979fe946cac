/**
 * `npm run fuzz`: damages small valid files of every format and reads them. Each must be accepted or refused by an error
 * that a person can use; never another error, a crash, a hang, or a gigabyte of memory. The same seed gives the same
 * cases. A case that fails is saved, and read again by `npm run fuzz -- --case FILE`.
 */
import { fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { makeCase, readerOf, readersNamed } from './cases.js';
import { prepareReport } from './seeds.js';

/** A process is replaced after so many cases: what tfjs leaves behind of models that it could not build adds up. */
const CASES_A_PROCESS = 400;

const { values: options } = parseArgs({
  options: {
    count: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    case: { type: 'string' },
    jobs: { type: 'string', default: '2' },
    limit: { type: 'string', default: '30' },
    failures: { type: 'string', default: 'fuzz-failures.tmp' },
  },
});

const limitMs = 1000 * Number(options.limit);
const seed = Number(options.seed);

/** A process that reads cases, one at a time. */
function startReader() {
  const child = fork(fileURLToPath(new URL('child.js', import.meta.url)), {
    execArgv: ['--max-old-space-size=900'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr = (stderr + text).slice(-2000);
  });
  const next = () =>
    new Promise((settle) => {
      const done = (result) => {
        clearTimeout(timer);
        child.off('message', done);
        child.off('exit', ended);
        settle(result);
      };
      const ended = (code, signal) =>
        done({
          outcome: 'defect',
          detail: `the process ended with ${signal ?? code}: ${stderr}`,
          dead: true,
        });
      const timer = setTimeout(() => {
        child.off('exit', ended);
        child.kill('SIGKILL');
        done({ outcome: 'defect', detail: `no end after ${options.limit} s`, dead: true });
      }, limitMs);
      child.on('message', done);
      child.on('exit', ended);
    });
  const ready = next();
  return {
    ready,
    read: async (request) => {
      const result = next();
      child.send(request);
      return result;
    },
    stop: () => child.kill('SIGKILL'),
  };
}

/** Saves the bytes of a case that failed. */
function save(reader, index, detail) {
  const { files, checked } = makeCase(reader, index, seed);
  mkdirSync(options.failures, { recursive: true });
  const path = join(options.failures, `${reader.name.replace(/\W+/g, '-')}-${seed}-${index}.json`);
  const encoded = Object.fromEntries(
    Object.entries(files).map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')]),
  );
  writeFileSync(
    path,
    JSON.stringify({ reader: reader.name, seed, index, checked, detail, files: encoded }, null, 1),
  );
  return path;
}

const counts = new Map();

function count(reader, { outcome, detail }) {
  const row = counts.get(reader.name) ?? {
    cases: 0,
    accepted: 0,
    refused: 0,
    defect: 0,
    same: 0,
    codes: new Map(),
  };
  counts.set(reader.name, row);
  row.cases++;
  row[outcome]++;
  if (outcome === 'refused') row.codes.set(detail, (row.codes.get(detail) ?? 0) + 1);
  if (detail === 'the same numbers') row.same++;
}

/** Reads cases from a shared queue until it is empty. */
async function work(queue, readers) {
  let child = null;
  let read = 0;
  try {
    for (let index = queue.next++; index < queue.end; index = queue.next++) {
      if (child === null || read === CASES_A_PROCESS) {
        child?.stop();
        child = startReader();
        read = 0;
        const { dead, detail } = await child.ready;
        if (dead) throw new Error(`a reader did not start: ${detail}`);
      }
      const reader = readerOf(index, readers);
      const result = await child.read({ reader: reader.name, index, seed });
      read++;
      count(reader, result);
      if (result.outcome === 'defect') {
        console.error(
          `${reader.name}, case ${index}, seed ${seed}: ${result.detail.split('\n').slice(0, 6).join('\n    ')}\n    saved as ${save(reader, index, result.detail)}`,
        );
        if (result.dead) child = null;
        // the peak of a process does not fall again
        else if (result.detail.startsWith('memory')) read = CASES_A_PROCESS;
      }
      if (++queue.done % 1000 === 0) console.error(`${queue.done} of ${queue.end} cases`);
    }
  } finally {
    child?.stop();
  }
}

/** Stops where the valid files themselves are refused: their damage would tell nothing. */
async function requireValid(readers) {
  const child = startReader();
  await child.ready;
  for (const { name } of readers) {
    const { outcome, detail, message } = await child.read({ reader: name, valid: true });
    if (outcome !== 'accepted') throw new Error(`${name}: the valid files are refused: ${message ?? detail}`);
  }
  child.stop();
}

async function replay(path) {
  const saved = JSON.parse(readFileSync(resolve(path), 'utf8'));
  const child = startReader();
  await child.ready;
  const { outcome, detail } = await child.read(saved);
  child.stop();
  console.log(`${saved.reader}: ${outcome}, ${detail}`);
  process.exitCode = outcome === 'defect' ? 1 : 0;
}

async function fuzz() {
  const readers = readersNamed(options.only);
  if (readers.length === 0) {
    console.error(
      `--only ${options.only}: there are ${readersNamed()
        .map(({ name }) => `"${name}"`)
        .join(', ')}`,
    );
    process.exitCode = 2;
    return;
  }
  await requireValid(readers);
  const queue = { next: 0, end: Number(options.count), done: 0 };
  await Promise.all(Array.from({ length: Number(options.jobs) }, () => work(queue, readers)));
  const table = new Table({
    head: ['reader', 'cases', 'accepted', 'of these\nunchanged', 'refused', 'defects', 'refused as'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [] },
  });
  const total = { cases: 0, accepted: 0, same: 0, refused: 0, defect: 0 };
  for (const { name } of readers) {
    const row = counts.get(name);
    if (row === undefined) continue;
    const codes = [...row.codes].sort((a, b) => b[1] - a[1]).map(([code, times]) => `${code} ${times}`);
    const lines = Array.from({ length: Math.ceil(codes.length / 2) }, (_, i) =>
      codes.slice(2 * i, 2 * i + 2).join(', '),
    );
    table.push([name, row.cases, row.accepted, row.same, row.refused, row.defect, lines.join('\n')]);
    for (const key of Object.keys(total)) total[key] += row[key];
  }
  table.push(['all', total.cases, total.accepted, total.same, total.refused, total.defect, `seed ${seed}`]);
  console.log(table.toString());
  process.exitCode = total.defect > 0 ? 1 : 0;
}

const folder = mkdtempSync(join(tmpdir(), 'prune-limit-fuzz-'));
try {
  prepareReport(folder);
  await (options.case === undefined ? fuzz() : replay(options.case));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
