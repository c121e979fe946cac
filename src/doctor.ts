import { cpus, totalmem } from 'node:os';
import { ENGINES, type EngineName, prepareEngine } from './compute/backend.js';
import { compilingExecutor } from './compute/compile/onnx-executor.js';
import type { Executor } from './compute/executor.js';
import { runtimeInstallCommand } from './compute/onnx-runtime.js';
import { tfjsExecutor } from './compute/tfjs-executor.js';
import { InputError } from './errors.js';
import type { Progress } from './progress.js';
import type { DoctorReport } from './report/doctor-report.js';
import { matMul, ones, type Tensor2D } from './tfjs-core.js';

/** Size of the matrix product that is timed, by backend: each takes a fraction of a second. */
const PRODUCT_SIZE: Record<EngineName, number> = {
  onnx: 1024,
  'onnx-web': 1024,
  tensorflow: 1024,
  wasm: 768,
  cpu: 256,
};
const TIMED_RUNS = 5;

/** Speed of a square matrix product, the median of a few, in 10^9 operations a second. */
async function measureGigaflops(size: number, executor: Executor): Promise<number> {
  const prepared = await executor.prepare({
    name: 'product',
    run: ({ left, right }) => ({ product: matMul(left as Tensor2D, right as Tensor2D) }),
    sampleInputs: (rows) => ({ left: ones([rows, size]), right: ones([size, size]) }),
  });
  const program = await prepared.compile(size);
  const data = Float32Array.from({ length: size * size }, (_, index) => (index % 17) - 8);
  const operand = executor.tensor(data, [size, size]);
  const speeds: number[] = [];
  for (let i = 0; i <= TIMED_RUNS; i++) {
    const start = performance.now();
    const { product } = await program.run({ left: operand, right: operand });
    executor.values(product);
    speeds.push((2 * size ** 3) / (performance.now() - start) / 1e6);
    executor.release({ product });
  }
  executor.release({ operand });
  await program.dispose();
  return speeds.slice(1).sort((a, b) => a - b)[Math.floor(TIMED_RUNS / 2)];
}

async function examine(name: EngineName): Promise<DoctorReport['backends'][number]> {
  try {
    const engine = await prepareEngine(name);
    const libraries = Object.entries(engine.versions).filter(([library]) =>
      library.startsWith(name.startsWith('onnx') ? 'onnx' : 'tfjs-'),
    );
    return {
      name,
      available: true,
      reason: null,
      version: libraries[libraries.length - 1]?.[1] ?? null,
      threads: engine.threads === 0 ? null : engine.threads,
      gigaflops: await measureGigaflops(PRODUCT_SIZE[name], compilingExecutor(engine) ?? tfjsExecutor),
    };
  } catch (error) {
    if (!(error instanceof InputError)) {
      throw error;
    }
    const reason = error.message
      .replace(/^--backend [\w-]+: (onnxruntime-\w+: )?/, '')
      .replace(/; use --backend.*$/, '');
    return { name, available: false, reason, version: null, gigaflops: null };
  }
}

/** What this machine can compute with, and how fast. */
export async function diagnose(progress: Progress): Promise<DoctorReport> {
  const stage = progress.stage('backends', ENGINES.length);
  const backends: DoctorReport['backends'] = [];
  for (const name of ENGINES) {
    backends.push(await examine(name));
    stage.update(backends.length);
  }
  stage.end();
  const native = backends.some(({ name, available }) => name === 'onnx' && available);
  return {
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    cores: cpus().length,
    memoryBytes: totalmem(),
    backends,
    remedy: native ? null : runtimeInstallCommand(),
  };
}
