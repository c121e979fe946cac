import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { learningRateAt, type ScheduleOptions } from '../../src/training/schedules.js';

const base: ScheduleOptions = {
  schedule: 'constant',
  learningRate: 0.5,
  epochs: 4,
  stepsPerEpoch: 10,
  warmUpEpochs: 0,
  milestones: [],
  decay: 0.1,
};

describe('learningRateAt', () => {
  it.each([0, 1, 39])('is constant at step %i', (step) => {
    expect(learningRateAt(step, base)).toBe(0.5);
  });

  it.each([
    [0, 0.5],
    [10, 0.25 * (1 + Math.SQRT1_2)],
    [20, 0.25],
    [30, 0.25 * (1 - Math.SQRT1_2)],
    [39, 0.25 * (1 + Math.cos((Math.PI * 39) / 40))],
  ])('follows half a cosine: step %i', (step, expected) => {
    expect(learningRateAt(step, { ...base, schedule: 'cosine' })).toBeCloseTo(expected, 12);
  });

  it.each([
    [0, 0.5],
    [19, 0.5],
    [20, 0.05],
    [29, 0.05],
    [30, 0.005],
    [39, 0.005],
  ])('decays at milestones: step %i', (step, expected) => {
    const options: ScheduleOptions = { ...base, schedule: 'multi-step', milestones: [2, 3] };
    expect(learningRateAt(step, options)).toBeCloseTo(expected, 12);
  });

  it.each([
    [0, 0.05],
    [4, 0.25],
    [9, 0.5],
    [10, 0.5],
    [25, 0.25],
  ])('rises linearly, then starts the cosine: step %i', (step, expected) => {
    const options: ScheduleOptions = { ...base, schedule: 'cosine', warmUpEpochs: 1 };
    expect(learningRateAt(step, options)).toBeCloseTo(expected, 12);
  });

  it('counts milestones from the start of the run, warm-up included', () => {
    const options: ScheduleOptions = { ...base, schedule: 'multi-step', milestones: [2], warmUpEpochs: 1 };
    expect(learningRateAt(19, options)).toBe(0.5);
    expect(learningRateAt(20, options)).toBeCloseTo(0.05, 12);
  });

  it('reaches the full rate exactly at the end of the warm-up, whatever the rounding', () => {
    const learningRate = 0.11275848074442618;
    const options = { learningRate, epochs: 1, stepsPerEpoch: 27, warmUpEpochs: 1, milestones: [], decay: 1 };
    expect(learningRateAt(26, { ...options, schedule: 'constant' })).toBe(learningRate);
  });

  it('stays positive and never exceeds the full rate', () => {
    fc.assert(
      fc.property(
        fc.record({
          schedule: fc.constantFrom('constant', 'cosine', 'multi-step'),
          learningRate: fc.double({ min: 1e-4, max: 10, noNaN: true }),
          epochs: fc.integer({ min: 1, max: 20 }),
          stepsPerEpoch: fc.integer({ min: 1, max: 50 }),
          warmUpEpochs: fc.double({ min: 0, max: 30, noNaN: true }),
          milestones: fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 3 }),
          decay: fc.double({ min: 0.01, max: 1, noNaN: true }),
        }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (options, share) => {
          const step = Math.floor(share * options.epochs * options.stepsPerEpoch);
          const rate = learningRateAt(step, options as ScheduleOptions);
          expect(rate).toBeGreaterThan(0);
          expect(rate).toBeLessThanOrEqual(options.learningRate);
        },
      ),
    );
  });

  // Zhang et al. 2024 step schedules after every batch: T_max 200 and milestones are batches, not epochs.
  it.each([
    [0, 0],
    [5, 0.25],
    [10, 0],
    [15, 0.25 * (1 + Math.cos(Math.PI * 1.5))],
    [20, 0.5],
    [30, 0],
  ])('swings with the batches where the unit is batches: step %i', (step, expected) => {
    const options: ScheduleOptions = {
      ...base,
      schedule: 'cosine',
      epochs: 10,
      warmUpEpochs: 1,
      scheduleUnit: 'batches',
    };
    expect(learningRateAt(step, options)).toBeCloseTo(expected, 12);
  });

  it.each([
    [9, 0.45],
    [11, 0.5],
    [12, 0.05],
  ])('forgets milestones in a warm-up that is stepped by batches: step %i', (step, expected) => {
    const options: ScheduleOptions = {
      ...base,
      schedule: 'multi-step',
      milestones: [5, 12],
      warmUpEpochs: 1,
      scheduleUnit: 'batches',
    };
    expect(learningRateAt(step, options)).toBeCloseTo(expected, 12);
  });
});
