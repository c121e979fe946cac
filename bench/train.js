/**
 * `npm run bench -- --train`: whole training steps (forward pass, gradient, l1
 * penalty, SGD with momentum, update) of prune-limit; with `--peer` against
 * PyTorch's, same weights and batch, runs taken in turn.
 *
 * - `--only TEXT`: networks whose name holds the text
 * - `--rounds N`: medians of so many
 * - `--threads N`: both sides with so many; by default each with what is best for it
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as rest } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { COMPUTING_OPTIONS } from '../dist/cli/start.js';
import { processor } from './machine.js';
import { median } from './median.js';
import { pythonWithTorch, startTorch, startWorker, TORCH_IS_MISSING, torchNotes } from './torch-process.js';
import { BATCH, trainingCases } from './training-cases.js';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
/** Rest before every run, so that no side's threads still wait busily when the other's turn comes. */
const REST_MS = 150;
/** Steps after which both sides' losses are compared. */
const COMPARED_STEPS = 3;

/** The middle wall and CPU times of a side. */
function medians(runs) {
  return {
    wall: median(runs.map(({ milliseconds }) => milliseconds)),
    cpu: median(runs.map(({ cpuMilliseconds }) => cpuMilliseconds)),
  };
}

async function compare(benchCase, python, { rounds, threads }) {
  const folder = mkdtempSync(join(tmpdir(), 'prune-limit-train-'));
  const index = trainingCases.indexOf(benchCase);
  const ours = {
    ...startWorker(process.execPath, [
      ...COMPUTING_OPTIONS,
      path('training-worker.js'),
      String(index),
      folder,
      String(threads),
    ]),
    runs: [],
  };
  const peers = [];
  try {
    await ours.ask('ready');
    const settings = threads > 0 ? [threads] : [1, 2].filter((count) => count <= cpus().length);
    for (const count of python === undefined ? [] : settings) {
      const torch = startTorch(python, path('peers/training_step.py'), folder, count);
      peers.push({ ...torch, runs: [] });
    }
    const library = peers.length > 0 ? await peers[0].ask('speed') : null;
    const sides = [ours, ...peers];
    const losses = [];
    for (const side of sides) {
      losses.push(await side.ask(`losses ${COMPARED_STEPS}`));
    }
    for (let round = 0; round < rounds; round++) {
      for (const side of sides) {
        await rest(REST_MS);
        side.runs.push(await side.ask(`steps ${benchCase.steps}`));
      }
    }
    const memory = [];
    for (const side of sides) {
      memory.push((await side.ask('memory')).mebibytes);
    }
    const times = peers.map(({ runs }) => medians(runs));
    const differences = losses
      .slice(1)
      .flatMap((theirs) => theirs.map((loss, step) => Math.abs(loss / losses[0][step] - 1)));
    return {
      ours: medians(ours.runs),
      ourMemory: memory[0],
      library,
      torch:
        peers.length === 0
          ? null
          : {
              wall: Math.min(...times.map(({ wall }) => wall)),
              cpu: Math.min(...times.map(({ cpu }) => cpu)),
              memory: Math.max(...memory.slice(1)),
              difference: Math.max(...differences),
            },
    };
  } finally {
    for (const side of [ours, ...peers]) {
      side.stop();
    }
    rmSync(folder, { recursive: true });
  }
}

function row({ name, required }, { ours, ourMemory, torch }) {
  const times = (ratio) => `${ratio.toFixed(2)}x`;
  return [
    name,
    ours.wall.toFixed(1),
    ours.cpu.toFixed(1),
    ...(torch === null
      ? []
      : [
          torch.wall.toFixed(1),
          torch.cpu.toFixed(1),
          times(torch.wall / ours.wall),
          times(torch.cpu / ours.cpu),
          times(required),
        ]),
    ourMemory.toFixed(0),
    ...(torch === null
      ? []
      : [torch.memory.toFixed(0), times(ourMemory / torch.memory), torch.difference.toExponential(1)]),
  ];
}

/** Prints what a training step takes. */
export async function runTraining(argumentList) {
  const { values } = parseArgs({
    args: argumentList,
    options: {
      train: { type: 'boolean' },
      peer: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      rounds: { type: 'string', default: '7' },
      threads: { type: 'string', default: '0' },
    },
  });
  const python = values.peer ? pythonWithTorch() : undefined;
  if (values.peer && python === undefined) {
    console.log(TORCH_IS_MISSING);
    return;
  }
  const heads = ['network', 'ms a step', 'CPU ms'];
  const peerHeads = ['torch ms', 'torch\nCPU ms', 'ratio', 'of CPU', 'required'];
  const memoryHeads = ['torch\nMiB', 'ratio', 'relative difference\nof losses'];
  const head = python ? [...heads, ...peerHeads, 'peak MiB', ...memoryHeads] : [...heads, 'peak MiB'];
  const table = new Table({
    head,
    style: { head: [], border: [] },
    colAligns: ['left', ...Array(head.length - 1).fill('right')],
  });
  const settings = { rounds: Number(values.rounds), threads: Number(values.threads) };
  let library = null;
  for (const benchCase of trainingCases) {
    if (benchCase.name.toLowerCase().includes(values.only.toLowerCase())) {
      process.stderr.write(`measuring ${benchCase.name}\n`);
      const result = await compare(benchCase, python, settings);
      library ??= result.library;
      table.push(row(benchCase, result));
    }
  }
  console.log(table.toString());
  console.log(
    `${processor()}; batch of ${BATCH}; medians of ${settings.rounds} runs${python ? ', taken in turn; ratio: of PyTorch, at the best of its thread settings, to prune-limit' : ''}`,
  );
  if (library !== null) {
    console.log(torchNotes(library).join('\n'));
  }
}
