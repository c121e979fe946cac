import { afterEach, expect, test, vi } from 'vitest';
import { withoutLibraryOutput } from '../src/library-output.js';

afterEach(() => vi.restoreAllMocks());

/** Stands in for the console; the lines that reached it. */
function watchedConsole(): string[] {
  const lines: string[] = [];
  for (const method of ['log', 'warn', 'error'] as const) {
    vi.spyOn(console, method).mockImplementation((line: string) => void lines.push(`${method} ${line}`));
  }
  return lines;
}

test('what is called inside does not reach the console, also later on', async () => {
  const lines = watchedConsole();
  const result = await withoutLibraryOutput(async () => {
    console.log('at once');
    await new Promise((done) => setTimeout(done, 1));
    console.warn('later');
    return 7;
  });
  expect(result).toBe(7);
  expect(lines).toEqual([]);
});

test('what others write meanwhile does', async () => {
  const lines = watchedConsole();
  let finish = (): void => {};
  const working = withoutLibraryOutput(() => new Promise<void>((done) => (finish = done)));
  console.error('mine');
  finish();
  await working;
  expect(lines).toEqual(['error mine']);
});

test('what others write meanwhile does not, in a process that does nothing else', async () => {
  const lines = watchedConsole();
  const finish: (() => void)[] = [];
  const work = () => new Promise<void>((done) => void finish.push(done));
  const first = withoutLibraryOutput(work, 'process');
  const second = withoutLibraryOutput(work, 'process');
  console.error('a library');
  finish[0]!();
  await first;
  console.warn('another');
  finish[1]!();
  await second;
  console.log('after');
  expect(lines).toEqual(['log after']);
});

test('the console is as before, also after an error', async () => {
  const lines = watchedConsole();
  await expect(withoutLibraryOutput(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  console.warn('after');
  expect(lines).toEqual(['warn after']);
});

test('a warning of Node is for its author, not for whoever runs the command', async () => {
  const warnings: string[] = [];
  const listen = ({ message }: Error): void => void warnings.push(message);
  process.on('warning', listen);
  await withoutLibraryOutput(async () => process.emitWarning('deprecated by a library'));
  process.emitWarning('mine');
  await new Promise((done) => setTimeout(done, 1));
  process.off('warning', listen);
  expect(warnings).toEqual(['mine']);
});
