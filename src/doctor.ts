import { cpus, totalmem } from 'node:os';
import { matMul, randomUniform, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { BACKENDS, type BackendName, prepareBackend } from './compute/backend.js';
import { InputError } from './errors.js';
import type { Progress } from './progress.js';
import type { DoctorReport } from './report/doctor-report.js';

/** Size of the matrix product that is timed, by backend: each takes a fraction of a second. */
const PRODUCT_SIZE: Record<BackendName, number> = { tensorflow: 1024, wasm: 768, cpu: 256 };
const TIMED_RUNS = 5;

/** Speed of a square matrix product on the current backend, the median of a few, in 10^9 operations a second. */
function measureGigaflops(size: number): number {
  const speeds: number[] = [];
  tidy(() => {
    const left: Tensor = randomUniform([size, size], -1, 1);
    const right: Tensor = randomUniform([size, size], -1, 1);
    matMul(left, right).dataSync();
    for (let i = 0; i < TIMED_RUNS; i++) {
      const start = performance.now();
      matMul(left, right).dataSync();
      speeds.push((2 * size ** 3) / (performance.now() - start) / 1e6);
    }
  });
  return speeds.sort((a, b) => a - b)[Math.floor(TIMED_RUNS / 2)];
}

async function examine(name: BackendName): Promise<DoctorReport['backends'][number]> {
  try {
    const engine = await prepareBackend(name);
    const libraries = Object.entries(engine.versions).filter(([library]) => library.startsWith('tfjs-'));
    return {
      name,
      available: true,
      reason: null,
      version: libraries[libraries.length - 1]?.[1] ?? null,
      threads: engine.threads === 0 ? null : engine.threads,
      gigaflops: measureGigaflops(PRODUCT_SIZE[name]),
    };
  } catch (error) {
    if (!(error instanceof InputError)) {
      throw error;
    }
    const reason = error.message.replace(/^--backend \w+: /, '').replace(/; use --backend.*$/, '');
    return { name, available: false, reason, version: null, gigaflops: null };
  }
}

/** What this machine can compute with, and how fast. */
export async function diagnose(progress: Progress): Promise<DoctorReport> {
  const stage = progress.stage('backends', BACKENDS.length);
  const backends: DoctorReport['backends'] = [];
  for (const name of BACKENDS) {
    backends.push(await examine(name));
    stage.update(backends.length);
  }
  stage.end();
  return {
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    cores: cpus().length,
    memoryBytes: totalmem(),
    backends,
  };
}
