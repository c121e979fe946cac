import { EventEmitter } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { onTestFinished } from 'vitest';
import type { LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import type { Host, Work } from '../../src/cli/host.js';
import { run } from '../../src/cli/run.js';
import type { AnalyzeConfig, PruneConfig, TrainConfig } from '../../src/config.js';
import { sampleReport } from '../report/sample-report.js';

/** A stream that remembers what was written. */
export class FakeStream extends Writable {
  text = '';
  isTTY: boolean;
  columns: number | undefined;
  fd: number | undefined;

  constructor(terminal = false) {
    super();
    this.isTTY = terminal;
    this.columns = terminal ? 80 : undefined;
  }

  override _write(chunk: Buffer | string, _encoding: string, done: (error?: Error) => void): void {
    this.text += String(chunk);
    done();
  }
}

export class FakeHost extends EventEmitter implements Host {
  argv: string[];
  env: Record<string, string | undefined> = {};
  stdout: FakeStream;
  stderr: FakeStream;
  exitCode?: number | string | null | undefined;
  /** Codes that `exit` was called with. */
  exits: number[] = [];
  folder: string;

  constructor(arguments_: string[], options: { folder?: string; terminal?: boolean } = {}) {
    super();
    this.argv = ['node', 'prune-limit', ...arguments_];
    this.stdout = new FakeStream(options.terminal);
    this.stderr = new FakeStream(options.terminal);
    this.folder = options.folder ?? '/nowhere';
  }

  cwd(): string {
    return this.folder;
  }

  exit(code: number): void {
    this.exits.push(code);
  }
}

export function fakeCheckpoint(path: string, metadata: Record<string, unknown> = {}): LayersCheckpoint {
  return {
    format: 'tfjs-layers',
    path,
    sha256: '',
    topology: {},
    weights: [],
    metadata,
    manifestGroups: [],
    extra: {},
  };
}

/** What the fake work was asked to do. */
export interface Asked {
  analyze: AnalyzeConfig[];
  prune: PruneConfig[];
  train: TrainConfig[];
}

export function fakeWork(overrides: Partial<Work> = {}, metadata: Record<string, unknown> = {}) {
  const asked: Asked = { analyze: [], prune: [], train: [] };
  const work: Work = {
    worker: async () => {},
    readCheckpoint: async (path) => fakeCheckpoint(join(path, 'model.json'), metadata),
    checkpointFiles: async ({ path }, output) => ({ read: [path], written: output === null ? [] : [output] }),
    analyze: async (config) => {
      asked.analyze.push(config);
      return sampleReport();
    },
    prune: async (config) => {
      asked.prune.push(config);
      return {
        output: config.output,
        files: [],
        prunedFraction: 0.9,
        prunedWeights: 90,
        prunableWeights: 100,
        threshold: 0.5,
        source: config.atLimit ?? 'ratio',
        sizes: null,
      };
    },
    train: async (config) => {
      asked.train.push(config);
      return {
        output: config.output,
        files: [],
        epochs: config.epochs,
        history: [],
        trainLoss: 0.1,
        trainAccuracy: 0.97,
        testLoss: 0.12,
        testAccuracy: 0.96,
        parameters: 100,
        seconds: 1,
      };
    },
    study: async () => {
      throw new Error('no study to carry out');
    },
    planStudy: async () => [],
    inspect: async () => {
      throw new Error('no file to inspect');
    },
    prunedZeros: async () => ({ weights: 100, zeros: 80 }),
    measurePruned: async () => ({ loss: 0.25, accuracy: 0.95 }),
    diagnose: async () => ({
      node: 'v20',
      platform: 'linux x64',
      cores: 2,
      memoryBytes: 2 ** 30,
      backends: [],
      remedy: null,
    }),
    ...overrides,
  };
  return { work, asked };
}

/** Runs a command line; the fake work does it unless another is given. */
export async function runFake(
  arguments_: string[],
  options: {
    work?: Partial<Work>;
    metadata?: Record<string, unknown>;
    env?: Record<string, string>;
    folder?: string;
    terminal?: boolean;
  } = {},
) {
  const host = new FakeHost(arguments_, options);
  host.env = options.env ?? {};
  const { work, asked } = fakeWork(options.work, options.metadata);
  await run(host, work);
  return { host, asked, exitCode: host.exitCode ?? 0, stdout: host.stdout.text, stderr: host.stderr.text };
}

/** A folder that is removed after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'prune-limit-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
