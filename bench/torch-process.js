/** PyTorch in a process of its own, which the benchmarks compare prune-limit with. */
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** What to do where there is no PyTorch. */
export const TORCH_IS_MISSING =
  'no python3 with torch here: install it (Debian: apt-get install python3-torch libopenblas0-pthread; elsewhere: pip install torch)';

/** A PyTorch slower than this in plain matrix products has a BLAS library that nobody would use. */
const LEAST_GIGAFLOPS = 20;

/** Debian installs torch for the system's Python, which need not be the first on the path. */
export function pythonWithTorch() {
  return ['python3', '/usr/bin/python3'].find(
    (python) => spawnSync(python, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0,
  );
}

/** A worker that answers one line of JSON to each line it gets. */
export function startWorker(command, commandArguments, environment = {}) {
  const child = spawn(command, commandArguments, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    ask: async (question) => {
      child.stdin.write(`${question}\n`);
      const { value, done } = await lines.next();
      if (done) {
        throw new Error(`${command} ended, see above`);
      }
      return JSON.parse(value);
    },
    stop: () => child.stdin.end(),
  };
}

/** What tells PyTorch's libraries how many threads to use. */
export function torchEnvironment(threads) {
  return { OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads) };
}

/** A script of bench/peers on a folder that holds its problem. */
export function startTorch(python, script, folder, threads) {
  return startWorker(python, [script, folder, String(threads)], torchEnvironment(threads));
}

/** Writes numbers where the scripts read them: raw float32. */
export function writeNumbers(folder, name, data) {
  writeFileSync(join(folder, name), new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** Which PyTorch it was, and whether comparing with it is fair. */
export function torchNotes({ version, gigaflops }) {
  return [
    `PyTorch ${version}: ${gigaflops.toFixed(0)} GFLOPS in a product of 1024 x 1024 matrices`,
    ...(gigaflops < LEAST_GIGAFLOPS
      ? [
          'which is a BLAS library without vector instructions: the comparison is not fair (Debian: apt-get install libopenblas0-pthread)',
        ]
      : []),
  ];
}
