import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readStudyConfig } from '../../src/cli/study-config.js';
import { silentProgress } from '../../src/progress.js';
import type { StudyName } from '../../src/study/names.js';
import { fakeWork } from '../cli/fake-host.js';
import { separableSplit } from '../training/problems.js';

/** Enough of them for the deviation of batches. */
const TRAINING_EXAMPLES = 300;
const TEST_EXAMPLES = 90;

function csvOf(count: number, seed: number): string {
  const { values, labels } = separableSplit(count, 3, seed);
  const rows = Array.from(labels.values, (label, i) => `${values[2 * i]},${values[2 * i + 1]},${label}`);
  return `a,b,label\n${rows.join('\n')}\n`;
}

/** A new folder with three classes of points in its folder `data`; its owner removes it. */
export async function folderWithData(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'prune-limit-study-'));
  await mkdir(join(root, 'data'));
  await writeFile(join(root, 'data', 'train.csv'), csvOf(TRAINING_EXAMPLES, 1));
  await writeFile(join(root, 'data', 'test.csv'), csvOf(TEST_EXAMPLES, 2));
  return root;
}

/** A quick study of that data, and the folder below `root` that it writes to. */
export async function quickStudy(root: string, name: StudyName, flags: Record<string, string>) {
  const output = await mkdtemp(join(root, 'study-'));
  const { work } = fakeWork();
  const host = { cwd: () => process.cwd(), stdout: {} } as never;
  const all = {
    quick: true,
    data: join(root, 'data'),
    output,
    hidden: '12',
    epochs: '8',
    backend: 'cpu',
    ...flags,
  };
  const config = await readStudyConfig(name, all, { work, cwd: '', host }, silentProgress);
  return { config, output };
}
