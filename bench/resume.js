/**
 * Analyses that are killed at random and resumed: `node bench/resume.js [--kills 20] [--seed 1] [--case NAME]` (after
 * `npm run build`). Each run is ended by SIGKILL once or twice, at any moment of an undisturbed run's time, and started
 * again by the same command until it ends; its report must have the bytes of the undisturbed one, timing aside.
 *
 * `node bench/resume.js --overhead MODEL [options of analyze]` runs an analysis in turn without and with a state, and
 * prints processor seconds (user + system) and bytes.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { randomStream } from '../dist/random.js';
import { cases, missing } from './cases.js';
import { median } from './median.js';

const program = fileURLToPath(new URL('../bin/prune-limit.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'prune-limit-resume-'));
const style = { head: [], border: [] };
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Runs an analysis in processes of its own; ends all of them by SIGKILL after so many seconds. */
function run(args, killAfter = Number.POSITIVE_INFINITY) {
  return new Promise((resolve) => {
    const start = performance.now();
    const child = spawn(process.execPath, [program, 'analyze', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += chunk;
    });
    const timer = Number.isFinite(killAfter)
      ? setTimeout(() => process.kill(-child.pid, 'SIGKILL'), 1000 * killAfter)
      : undefined;
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, said, seconds: (performance.now() - start) / 1000 });
    });
  });
}

function mustSucceed({ code, said }, args) {
  if (code !== 0) {
    throw new Error(`analyze ${args.join(' ')} ended with ${code}: ${said}`);
  }
}

/** The bytes of a report but for its timing. */
function withoutTiming(path) {
  const { timing: _, ...rest } = JSON.parse(readFileSync(path, 'utf8'));
  return JSON.stringify(rest);
}

function argumentsOf({ checkpoint, data, normalization }, examples) {
  return [
    checkpoint,
    ...['--data', data, '--examples', String(examples)],
    ...(normalization === null ? [] : ['--normalize', `${normalization.mean}/${normalization.std}`]),
  ];
}

/** Runs one case undisturbed, then with kills; returns a row for each run that was killed. */
async function killed(benchCase, runs, random) {
  const given = argumentsOf(benchCase, benchCase.examples);
  const wholeFile = join(folder, 'whole.json');
  const undisturbed = await run([...given, '--json', wholeFile]);
  mustSucceed(undisturbed, given);
  const expected = withoutTiming(wholeFile);
  const rows = [];
  for (let i = 0; i < runs; i++) {
    const state = join(folder, 'state');
    const report = join(folder, 'report.json');
    const args = [...given, '--resume', state, '--json', report];
    const planned = Array.from(
      { length: 1 + random.integer(2) },
      () => random.uniform() * undisturbed.seconds,
    );
    const kills = [];
    let total = 0;
    let done = null;
    for (const after of planned) {
      const ended = await run(args, after);
      total += ended.seconds;
      if (ended.code === 0) {
        done = ended;
        break;
      }
      kills.push(after);
    }
    if (done === null) {
      done = await run(args);
      total += done.seconds;
    }
    mustSucceed(done, args);
    rows.push({
      kills: kills.length,
      killedAt: kills.map((after) => after.toFixed(1)).join(', ') || 'ended before',
      equal: withoutTiming(report) === expected,
      lost: total - undisturbed.seconds,
      resumed:
        /resumed at step \d+|going on with[^\n]*/.exec(done.said.split('\n').reverse().join('\n'))?.[0] ??
        'from the start',
      left: existsSync(state),
    });
    rmSync(report);
  }
  return { undisturbed: undisturbed.seconds, rows };
}

async function kills({ count, seed, only }) {
  const random = randomStream(seed, 'kills');
  const chosen = cases.filter(({ name, zoo }) => zoo === null && (only === undefined || name.includes(only)));
  let different = 0;
  for (const [index, benchCase] of chosen.entries()) {
    const why = missing(benchCase);
    if (why !== null) {
      console.log(`${benchCase.name}: left out, ${why}`);
      continue;
    }
    const share = Math.floor(count / chosen.length) + (index < count % chosen.length ? 1 : 0);
    const { undisturbed, rows } = await killed(benchCase, share, random);
    const table = new Table({
      style,
      head: ['killed at, s', 'resumed', 'bytes equal', 'state removed', 'seconds lost'],
    });
    for (const { killedAt, resumed, equal, left, lost } of rows) {
      table.push([killedAt, resumed, equal ? 'yes' : 'NO', left ? 'NO' : 'yes', lost.toFixed(1)]);
    }
    different += rows.filter(({ equal, left }) => !equal || left).length;
    const lost = rows.filter((row) => row.kills > 0).map((row) => row.lost);
    console.log(`${benchCase.name}, ${undisturbed.toFixed(1)} s undisturbed\n${table}`);
    const signals = rows.reduce((sum, row) => sum + row.kills, 0);
    console.log(
      `${signals} SIGKILLs; seconds lost: median ${median(lost).toFixed(1)}, most ${Math.max(...lost).toFixed(1)}\n`,
    );
  }
  process.exitCode = different > 0 ? 1 : 0;
}

/** Processor seconds of a run, measured by the system. */
function processorSeconds(args) {
  return new Promise((resolve, reject) => {
    const script =
      "const { spawnSync } = require('node:child_process');" +
      'const { status, stderr } = spawnSync(process.execPath, process.argv.slice(1));' +
      'if (status !== 0) { console.error(String(stderr)); process.exit(1); }' +
      "console.log(require('node:fs').readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ').slice(13, 15).join(' '));";
    const child = spawn(process.execPath, ['-e', script, program, 'analyze', ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
    });
    child.on('close', (code) => {
      const ticks = said.trim().split(' ').map(Number);
      return code === 0
        ? resolve((ticks[0] + ticks[1]) / 100)
        : reject(new Error(`analyze ended with ${code}`));
    });
  });
}

async function overhead(args, pairs = 3) {
  const table = new Table({ style, head: ['without, CPU s', 'with state, CPU s', 'ratio', 'bytes'] });
  const ratios = [];
  for (let i = 0; i < pairs; i++) {
    const state = join(folder, 'state');
    const without = await processorSeconds(args);
    const withState = await processorSeconds([...args, '--resume', state, '--keep-state']);
    ratios.push(withState / without);
    table.push([without.toFixed(1), withState.toFixed(1), ratios[i].toFixed(3), statSync(state).size]);
    rmSync(state);
  }
  console.log(`${table}\nratio: median ${median(ratios).toFixed(3)}`);
}

const { values } = parseArgs({
  allowPositionals: true,
  strict: false,
  options: {
    kills: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    case: { type: 'string' },
    overhead: { type: 'boolean' },
  },
});
if (values.overhead) {
  const after = process.argv.slice(process.argv.indexOf('--overhead') + 1);
  await overhead(after);
} else {
  await kills({ count: Number(values.kills), seed: Number(values.seed), only: values.case });
}
