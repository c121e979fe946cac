/** The machine: its processor, and how fast it multiplies matrices and moves memory. */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { compileNative } from '../dist/compute/compile/native-session.js';
import { median } from './median.js';

/** The processor, and the vector instructions that decide how fast it is. */
export function processor() {
  let flags = '';
  try {
    flags = readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    // Not Linux.
  }
  const vectors = ['avx512f', 'avx2'].find((flag) => flags.includes(` ${flag}`));
  const instructions = { avx512f: 'AVX-512', avx2: 'AVX2' }[vectors ?? ''] ?? 'vector instructions unknown';
  return `${cpus().length} x ${cpus()[0].model.trim()}, ${instructions}`;
}

/** Wall and CPU milliseconds of some work, with what it returns. */
export async function timed(work) {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const wallMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { result, wallMs, cpuMs: (user + system) / 1000 };
}

/** Rows and columns of the matrices that are multiplied: large enough for any library's full speed. */
export const MATRIX_SIZE = 1024;
/** A tensor that others are added to, one sum after the other: more than a core's own caches hold. */
const SUMMED_SHAPE = [4096, 1024];
const SUMS = 8;
/** Runs of a sample. */
const RUNS = 3;

/** A program of nodes on two tensors of a shape, run on some numbers. */
async function openProgram(onnx, name, shape, outputShape, nodes) {
  const values = new Map(
    [0, 1, ...nodes.flatMap(({ outputs }) => outputs)].map((id) => [id, { shape, type: 'float32' }]),
  );
  const result = nodes.at(-1).outputs[0];
  values.set(result, { shape: outputShape, type: 'float32' });
  const graph = { values, constants: new Map(), inputs: { a: 0, b: 1 }, nodes, outputs: { y: result } };
  const program = await compileNative(graph, name, onnx);
  const size = shape.reduce((product, extent) => product * extent, 1);
  const [a, b] = [3, 5].map(
    (period) =>
      new onnx.runtime.Tensor(
        'float32',
        Float32Array.from({ length: size }, (_, i) => i % period),
        shape,
      ),
  );
  const run = async () => {
    for (let i = 0; i < RUNS; i++) {
      await program.run({ a, b });
    }
  };
  await run();
  return { run, dispose: () => program.dispose() };
}

/** One product of large matrices. */
function openMatrixProduct(onnx) {
  const shape = [MATRIX_SIZE, MATRIX_SIZE];
  const attributes = { transposeA: false, transposeB: false };
  return openProgram(onnx, 'bench-product', shape, shape, [
    { kernel: 'BatchMatMul', inputs: { a: 0, b: 1 }, attributes, outputs: [2] },
  ]);
}

/** Sums of large tensors, of which little is given out: outputs are copied. */
function openSums(onnx) {
  const sums = Array.from({ length: SUMS }, (_, i) => ({
    kernel: 'Add',
    inputs: { a: 0, b: i + 1 },
    attributes: {},
    outputs: [i + 2],
  }));
  return openProgram(onnx, 'bench-sums', SUMMED_SHAPE, SUMMED_SHAPE.slice(0, 1), [
    ...sums,
    { kernel: 'Sum', inputs: { x: SUMS + 1 }, attributes: { axis: 1 }, outputs: [SUMS + 2] },
  ]);
}

/**
 * Opens measurements of what the machine attains through ONNX Runtime, with the threads of `onnx`. Samples are to be
 * taken between those of what is compared with them; the speeds are those of the middle samples, by wall and by CPU time.
 */
export async function openMachine(onnx) {
  const product = await openMatrixProduct(onnx);
  const sums = await openSums(onnx);
  const samples = { product: [], sums: [] };
  const speeds = (times, amount) => ({
    wall: amount / median(times.map(({ wallMs }) => wallMs)) / 1e6,
    cpu: amount / median(times.map(({ cpuMs }) => cpuMs)) / 1e6,
  });
  return {
    sample: async () => {
      samples.product.push(await timed(product.run));
      samples.sums.push(await timed(sums.run));
    },
    /** Thousand millions of operations in matrix products, and of bytes read and written, a second. */
    speeds: () => ({
      gigaflops: speeds(samples.product, RUNS * 2 * MATRIX_SIZE ** 3),
      gigabytes: speeds(samples.sums, RUNS * (3 * SUMS + 1) * 4 * SUMMED_SHAPE[0] * SUMMED_SHAPE[1]),
    }),
    dispose: async () => {
      await product.dispose();
      await sums.dispose();
    },
  };
}
