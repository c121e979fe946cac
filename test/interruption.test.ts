import { afterEach, expect, it, vi } from 'vitest';
import { beforeInterruption } from '../src/interruption.js';

afterEach(() => vi.restoreAllMocks());

it('a signal has its effect once all work is done, however often it comes', async () => {
  const raised: unknown[] = [];
  vi.spyOn(process, 'kill').mockImplementation((_, signal) => {
    raised.push(signal);
    return true;
  });
  const before = process.listenerCount('SIGTERM');
  const done: string[] = [];
  let release: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const stops = beforeInterruption();
  stops.add(async () => {
    await held;
    done.push('held');
  });
  stops.add(() => Promise.reject(new Error('cannot be done')));
  const left = stops.add(async () => {
    done.push('not any more');
  });
  left.dispose();
  process.emit('SIGTERM', 'SIGTERM');
  process.emit('SIGTERM', 'SIGTERM');
  await new Promise((resolve) => setImmediate(resolve));
  expect(raised).toEqual([]);
  release();
  await vi.waitFor(() => expect(raised).toEqual(['SIGTERM']));
  expect(done).toEqual(['held']);
  expect(process.listenerCount('SIGTERM')).toBe(before);
});

it('nobody listens once there is no work', () => {
  const before = process.listenerCount('SIGINT');
  const work = beforeInterruption().add(async () => {});
  expect(process.listenerCount('SIGINT')).toBe(before + 1);
  work.dispose();
  expect(process.listenerCount('SIGINT')).toBe(before);
});
