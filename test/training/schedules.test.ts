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

  // Zhang et al. 2024 step the schedulers of PyTorch after every batch. Rates of PyTorch 1.13: CosineAnnealingLR and
  // MultiStepLR stepped after a WarmUpLR with base_lr * last_epoch / (total_iters + 1e-8), base rate 0.5.
  it.each([
    [
      'period 20',
      { epochs: 10, warmUpEpochs: 1 },
      [
        [0, 0],
        [1, 0.04877641285860242],
        [5, 0.19098300543406954],
        [9, 0.11532213336508101],
        [10, 0],
        [11, 0.012235870926211617],
        [12, 0.047745751406263325],
        [15, 0.25000000000000105],
        [20, 0.5000000000000021],
        [29, 0.012235870926211695],
        [30, 0],
        [31, 0.012235870926211617],
        [40, 0.5000000000000012],
      ],
    ],
    [
      'a zero within the warm-up',
      { cosinePeriod: 8, warmUpEpochs: 1 },
      [
        [1, 0.042677669486986015],
        [3, 0.04393398277808389],
        [4, 0],
        [5, 0.3232233044533631],
        [6, 1.0242640676876646],
        [8, 0.4686291496328948],
        [10, 0.2928932185205593],
        [11, 0.08578643754111875],
        [12, 0],
        [13, 0.0732233047033631],
        [20, 0],
      ],
    ],
    [
      'a zero before the last step of the warm-up',
      { cosinePeriod: 8, warmUpEpochs: 0.5 },
      [
        [4, 0],
        [5, 0.5732233037033632],
        [6, 1.9571067777723348],
        [11, 0.5732233037033652],
        [12, 0],
        [13, 0.0732233047033631],
        [16, 0.4999999999999992],
      ],
    ],
    [
      'a zero at the end of the warm-up',
      { cosinePeriod: 8, warmUpEpochs: 0.4 },
      [
        [3, 0.10983495678045732],
        [4, 0],
        [5, 0.0732233047033631],
        [6, 0.25000000000000006],
        [8, 0.5000000000000002],
        [12, 0],
        [13, 0.0732233047033631],
      ],
    ],
    [
      'no warm-up',
      { cosinePeriod: 8 },
      [
        [0, 0.5],
        [1, 0.42677669529663687],
        [3, 0.07322330470336313],
        [4, 0],
        [5, 0.0732233047033631],
        [8, 0.5000000000000002],
      ],
    ],
  ])('follows a cosine that is stepped by batches as PyTorch does: %s', (_, options, rates) => {
    for (const [step, expected] of rates) {
      const rate = learningRateAt(step!, {
        ...base,
        schedule: 'cosine',
        scheduleUnit: 'batches',
        ...options,
      });
      expect(rate, `step ${step}`).toBeCloseTo(expected!, 8);
    }
  });

  it.each([
    [
      [5, 10, 12],
      1,
      [
        [0, 0],
        [4, 0.2],
        [5, 0.025],
        [6, 0.3],
        [9, 0.45],
        [10, 0.05],
        [11, 0.05],
        [12, 0.005],
      ],
    ],
    [
      [3, 12],
      0,
      [
        [0, 0.5],
        [2, 0.5],
        [3, 0.05],
        [11, 0.05],
        [12, 0.005],
      ],
    ],
  ])(
    'counts milestones in batches as PyTorch does: %j, warm-up of %i epochs',
    (milestones, warmUpEpochs, rates) => {
      for (const [step, expected] of rates) {
        const rate = learningRateAt(step!, {
          ...base,
          schedule: 'multi-step',
          milestones,
          warmUpEpochs,
          scheduleUnit: 'batches',
        });
        expect(rate, `step ${step}`).toBeCloseTo(expected!, 8);
      }
    },
  );
});
