import { expect, it } from 'vitest';
import { writingPace } from '../../../src/analysis/state/pace.js';

function paceWithClock() {
  const clock = { seconds: 0 };
  return { clock, pace: writingPace(() => clock.seconds) };
}

it('is due after what took over a second, else after ten', () => {
  const { clock, pace } = paceWithClock();
  const dueAt = (seconds: number): boolean => {
    clock.seconds = seconds;
    const due = pace.due(1000);
    if (due) {
      pace.began(1000);
    }
    return due;
  };
  expect([5, 5.5, 6, 7.2, 8].map(dueAt)).toEqual([true, false, false, true, false]);
  const often = Array.from({ length: 30 }, (_, i) => 8.5 + i / 2);
  expect(often.filter(dueAt)).toEqual([17.5]);
});

it('keeps to two per cent of the time, at half a gigabyte a second', () => {
  const { clock, pace } = paceWithClock();
  clock.seconds = 100;
  expect([pace.affords(0.99e9), pace.affords(1.01e9)]).toEqual([true, false]);
  expect(pace.due(1.01e9)).toBe(false);
  pace.began(0.9e9);
  expect([pace.affords(0.09e9), pace.affords(0.11e9)]).toEqual([true, false]);
  clock.seconds = 200;
  expect(pace.affords(1.09e9)).toBe(true);
});

it('waits for the disk where that is little of the time since it began last, at the rate it was seen to have', () => {
  const { clock, pace } = paceWithClock();
  clock.seconds = 10;
  pace.began(0);
  clock.seconds = 13;
  expect([pace.waits(3.9e6), pace.waits(4.1e6)]).toEqual([true, false]);
  pace.wrote(1e7, 1.01);
  expect([pace.waits(0.39e6), pace.waits(0.41e6)]).toEqual([true, false]);
});
