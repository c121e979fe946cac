/**
 * Seconds of a curvature product of ResNet-50 for 224 x 224 images, an example: what simulate-machines.js scales. The
 * network comes from PyTorch as ONNX, with initial weights; the images are random.
 *
 *   npm run build && node bench/large-product.js [--examples 16] [--products 5] [--threads N]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openComputation } from '../dist/analysis/open-computation.js';
import { resourceScope } from '../dist/analysis/resources.js';
import { analyzeDefaults } from '../dist/config.js';
import { silentProgress } from '../dist/progress.js';
import { processor, timed } from './machine.js';
import { median } from './median.js';
import { openBenchProblem } from './problem.js';
import { pythonWithTorch, TORCH_IS_MISSING } from './torch-process.js';

const IMAGE_NET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
/** For products of a few images at a time. */
const MEMORY_LIMIT = 12 * 2 ** 30;

const { values } = parseArgs({
  options: {
    examples: { type: 'string', default: '16' },
    products: { type: 'string', default: '5' },
    threads: { type: 'string' },
  },
});

async function measure(folder, examples, products, threads) {
  await resourceScope(async (scope) => {
    const checkpoint = join(folder, 'resnet50.onnx');
    const benchCase = { checkpoint, data: join(folder, 'images.npz'), normalization: IMAGE_NET };
    const { problem } = await openBenchProblem(benchCase, examples, scope, threads);
    const config = { ...analyzeDefaults, model: checkpoint, memoryLimitBytes: MEMORY_LIMIT };
    const { curvature, plan } = await openComputation(problem, config, silentProgress, scope);
    const vector = new Float64Array(problem.network.dimension).map((_, i) => Math.sin(i));
    const runs = [];
    for (let i = 0; i <= products; i++) {
      runs.push(await timed(() => curvature.apply(vector)));
    }
    // The first one takes its memory.
    const [wall, cpu] = ['wallMs', 'cpuMs'].map(
      (name) => median(runs.slice(1).map((run) => run[name])) / 1000,
    );
    console.log(
      [
        `${processor()}, threads ${problem.engine.threads}`,
        `${problem.network.dimension.toLocaleString('en')} weights, ${examples} examples in batches of ${plan?.batchSize}`,
        `${wall.toFixed(2)} s a product (CPU ${cpu.toFixed(2)}), ${(wall / examples).toFixed(3)} s an example`,
      ].join('; '),
    );
  });
}

const python = pythonWithTorch();
if (python === undefined) {
  console.error(TORCH_IS_MISSING);
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), 'prune-limit-bench-'));
try {
  const script = fileURLToPath(new URL('peers/resnet50.py', import.meta.url));
  const { status } = spawnSync(python, [script, folder, values.examples], { stdio: 'inherit' });
  if (status !== 0) {
    process.exitCode = 1;
  } else {
    const threads = values.threads === undefined ? null : Number(values.threads);
    await measure(folder, Number(values.examples), Number(values.products), threads);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
