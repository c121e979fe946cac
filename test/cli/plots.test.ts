/** `--plots`: pictures as files in a folder. */
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pictureFiles } from '../../src/report/html/picture-files.js';
import { renderJson } from '../../src/report/json.js';
import { sampleReport } from '../report/sample-report.js';
import { runFake, temporaryFolder } from './fake-host.js';

const analyze = ['analyze', 'm', '--data', 'd'];
const pictures = pictureFiles(sampleReport());

async function expectPictures(folder: string, others: string[] = []): Promise<void> {
  expect((await readdir(folder)).sort()).toEqual([...pictures.keys(), ...others].sort());
  for (const [name, content] of pictures) {
    expect(await readFile(join(folder, name), 'utf8')).toBe(content);
  }
}

test('analyze makes the folder and writes each picture', async () => {
  const folder = await temporaryFolder();
  const { exitCode, stderr } = await runFake([...analyze, '--plots', 'p', '--json', 'r.json'], { folder });
  expect([exitCode, stderr]).toEqual([0, '']);
  await expectPictures(join(folder, 'p'));
  expect(await readFile(join(folder, 'r.json'), 'utf8')).toBe(renderJson(sampleReport()));
});

test('report replaces pictures in a folder, and leaves other files', async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'r.json'), renderJson(sampleReport()));
  await mkdir(join(folder, 'p'));
  for (const name of ['loss.svg', 'mine.svg', 'notes.txt']) {
    await writeFile(join(folder, 'p', name), 'old');
  }
  const { exitCode, stderr } = await runFake(['report', 'r.json', '--plots', 'p'], { folder });
  expect([exitCode, stderr]).toEqual([0, '']);
  await expectPictures(join(folder, 'p'), ['mine.svg', 'notes.txt']);
  expect(await readFile(join(folder, 'p/mine.svg'), 'utf8')).toBe('old');
});

test('what is no folder, or cannot become one, is refused before the work', async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'r.json'), renderJson(sampleReport()));
  await writeFile(join(folder, 'file'), 'old');
  await mkdir(join(folder, 'p'));
  await symlink('../r.json', join(folder, 'p/loss.svg'));
  const refused: [string[], RegExp][] = [
    [['--plots', 'file'], /--plots .*file: .*file is not a folder; name another one/],
    [['--plots', 'none/p'], /--plots .*none\/p: the folder .*none does not exist/],
    [['--plots', '-'], /--plots -: .*; a file of that name is \.\/-/],
    [['--plots', 'q', '--html', 'q'], /--html and --plots name the same file .*q; name two/],
  ];
  for (const [options, message] of refused) {
    for (const command of [analyze, ['report', 'r.json']]) {
      const { exitCode, stdout, stderr, asked } = await runFake([...command, ...options], { folder });
      expect(stderr).toMatch(message);
      expect(stderr).toMatch(/^prune-limit: [^\n]{1,300}\n$/);
      expect([exitCode, stdout, asked.analyze]).toEqual([2, '', []]);
    }
  }
  // A link in the folder to the report that is read.
  const { exitCode, stderr } = await runFake(['report', 'r.json', '--plots', 'p'], { folder });
  expect(stderr).toMatch(/--plots .*loss\.svg: is a file of the report .*r\.json/);
  expect(exitCode).toBe(2);
  expect(await readFile(join(folder, 'file'), 'utf8')).toBe('old');
});
