import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { OpenedComputation } from '../../../src/analysis/open-computation.js';
import type { AnalysisState } from '../../../src/analysis/state/analysis-state.js';
import { keptComputation } from '../../../src/analysis/state/kept-computation.js';
import { openStateFile } from '../../../src/analysis/state/state-file.js';

/** What a run says of its workers that takes part of its results from a file. */
async function workersWith(path: string, most: number, drifting: string[]) {
  const file = await openStateFile(path);
  const puts: (() => void)[] = [];
  const state = {
    file,
    onWrite: (put) => puts.push(put),
    onStop: () => {},
    recall: (_key, _form, compute) => compute(),
  } as Pick<AnalysisState, 'file' | 'onWrite' | 'onStop' | 'recall'> as AnalysisState;
  const evaluator = { examples: 1, at: () => Promise.reject(new Error('not asked for')) };
  const opened = {
    ...{ train: evaluator, epsilonTrain: null, test: null, plan: null },
    curvature: { dim: 1 },
    arithmetic: { evaluations: 'e', products: 'p' },
    lanczos: { reorthogonalization: 'none' },
    sharding: { workers: () => ({ most, drifting }) },
  } as unknown as OpenedComputation;
  const notes: string[] = [];
  const { sharding } = await keptComputation(opened, state, { note: (note) => notes.push(note) });
  for (const put of puts) {
    put();
  }
  await file.write();
  await file.close();
  return { workers: sharding?.workers?.(), notes };
}

it('a report says that workers of earlier runs differed, each once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'prune-limit-kept-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'state');
  expect(await workersWith(path, 3, ['a', 'b'])).toEqual({
    workers: { most: 3, drifting: ['a', 'b'] },
    notes: [],
  });
  const said = '--resume: 2 workers of earlier runs differed in the last digits';
  expect(await workersWith(path, 1, [])).toEqual({
    workers: { most: 3, drifting: ['a', 'b'] },
    notes: [said],
  });
  expect(await workersWith(path, 4, ['b', 'c'])).toEqual({
    workers: { most: 4, drifting: ['a', 'b', 'c'] },
    notes: [said],
  });
});
