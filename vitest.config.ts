import { defineConfig } from 'vitest/config';

/** Tests that have a process of their own: they compute at length, replace modules, or are about what a process holds. */
const ownProcess = [
  'test/{analysis,curvature,end-to-end,package,workers}/**/*.test.ts',
  'test/compute/*.test.ts',
  'test/checkpoint/onnx/prune.test.ts',
  'test/dataset/images/without-sharp.test.ts',
  // Initial weights are drawn by the names of layers, which tfjs-layers numbers over the whole process.
  'test/spectrum/coverage.test.ts',
];

export default defineConfig({
  test: {
    setupFiles: ['test/support/setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // In the order of their names; the second fills up what the long files of the first leave of the processors.
    projects: [
      { extends: true, test: { name: 'own process', include: ownProcess } },
      // Starting a process and importing the same modules again takes longer than most of these tests.
      {
        extends: true,
        test: { name: 'shared process', include: ['test/**/*.test.ts'], exclude: ownProcess, isolate: false },
      },
    ],
  },
});
