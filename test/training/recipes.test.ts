import { describe, expect, it } from 'vitest';
import { trainDefaults } from '../../src/config.js';
import { type RecipeReading, readRecipe, recipeNames, recipeSettings } from '../../src/training/recipes.js';
import { learningRateAt } from '../../src/training/schedules.js';

/** Batches of an epoch of CIFAR: 50,000 examples by 128. */
const STEPS_PER_EPOCH = 391;

function settingsOf(name: string, reading: RecipeReading) {
  return recipeSettings(readRecipe(name)!, reading);
}

function rateOf(name: string, reading: RecipeReading): (step: number) => number {
  const options = { ...trainDefaults, ...settingsOf(name, reading), stepsPerEpoch: STEPS_PER_EPOCH };
  return (step) => learningRateAt(step, options);
}

describe('recipes', () => {
  it('are those of the paper and their kin', () => {
    expect(recipeNames()).toEqual([
      'alexnet-cifar10',
      'fc12-cifar10',
      'fc5-cifar10',
      'lenet-mnist',
      'mlpnet-mnist',
      'resnet18-cifar100',
      'resnet18-tinyimagenet',
      'resnet20-cifar10',
      'resnet50-cifar100',
      'resnet50-tinyimagenet',
      'vgg16-cifar10',
    ]);
  });

  it.each(recipeNames())(
    '%s is valid, has the name of its file, and says where every field is from',
    (name) => {
      const recipe = readRecipe(name)!;
      expect(recipe.name).toBe(name);
      for (const field of Object.values(recipe.settings)) {
        expect(field.source).not.toBe('');
      }
      for (const reading of ['coded', 'meant'] as const) {
        const { schedule, milestones = [] } = settingsOf(name, reading);
        expect(milestones.length > 0).toBe(schedule === 'multi-step');
      }
    },
  );

  it('that are ours say so', () => {
    const ours = recipeNames().filter((name) => !readRecipe(name)!.published);
    expect(ours).toEqual(['lenet-mnist', 'mlpnet-mnist', 'resnet18-tinyimagenet', 'resnet50-tinyimagenet']);
    for (const name of ours) {
      expect(readRecipe(name)!.title).toMatch(/not published|no settings are published/);
      expect(readRecipe(name)!.settings.learningRate.source).toMatch(/^ours: /);
    }
  });

  it('have no name outside of their folder', () => {
    expect(readRecipe('../package')).toBeNull();
  });

  it('state where code and intention differ', () => {
    const { scheduleUnit, cosinePeriod } = readRecipe('resnet18-cifar100')!.settings;
    expect(scheduleUnit).toMatchObject({ coded: 'batches', meant: 'epochs' });
    expect(cosinePeriod).toMatchObject({ coded: 400, meant: null });
    expect(scheduleUnit).toHaveProperty('note', expect.stringContaining('T_max 200 counts batches'));
  });
});

// Rates of PyTorch 1.13, the schedulers in the order of the code: optimizer, WarmUpLR (5 epochs of 391 batches, 1e-8 in
// the divisor), then CosineAnnealingLR(T_max=200) or MultiStepLR([60, 120, 160], 0.5), all after every batch.
describe('learning rates as coded', () => {
  it.each([
    [0, 0],
    [1, 5.114773996090617e-5],
    [100, 0.005035987657918986],
    [199, 0.0025449140130986043],
    [200, 0],
    [201, 0.010287498299138038],
    [300, 0.01559014794279673],
    [400, 0.020461620205814327],
    [600, 0],
    [602, 0.12316375782584041],
    [1400, 0],
    [1801, 0.09212893052378336],
    [1802, 0.3686729096381469],
    [1954, 0.10055096607507734],
    [1955, 0.10058824243439254],
    [1956, 0.10116576447577014],
    [2000, 0.11427846121858293],
    [2199, 7.0491250800916756e-6],
    [2200, 0],
    [2201, 6.168375916970615e-6],
    [2300, 0.05],
    [2400, 0.1],
    [40_000, 0.1],
    [40_100, 0.05],
    [78_199, 6.168375916965057e-6],
    [78_200, 0],
  ])('ResNet18 and ResNet50 swing with a period of 400 batches: batch %i', (step, expected) => {
    for (const name of ['resnet18-cifar100', 'resnet50-cifar100']) {
      expect(rateOf(name, 'coded')(step)).toBeCloseTo(expected, 9);
    }
  });

  it.each([
    [0, 0],
    [59, 0.0003017902813283796],
    [60, 0.00015345268542120996],
    [61, 0.00031202046035646024],
    [120, 0.0003069053708424199],
    [160, 0.0004092071611232266],
    [161, 0.0008235294117604936],
    [1954, 0.009994884910434808],
    [1955, 0.01],
    [2500, 0.01],
    [4000, 0.01],
    [78_199, 0.01],
  ])('AlexNet warms up and stays: batch %i', (step, expected) => {
    expect(rateOf('alexnet-cifar10', 'coded')(step)).toBeCloseTo(expected, 11);
  });

  it.each([
    [0, 0],
    [391, 0.002],
    [1955, 0.01],
    [78_199, 0.01],
  ])('VGG16 warms up from 0 and stays: batch %i', (step, expected) => {
    expect(rateOf('vgg16-cifar10', 'coded')(step)).toBeCloseTo(expected, 12);
  });

  it('FC5 is constant', () => {
    for (const step of [0, 1, 1955, 78_199]) {
      expect(rateOf('fc5-cifar10', 'coded')(step)).toBe(0.01);
    }
  });
});

describe('learning rates as meant', () => {
  it.each([
    [0, 0.1 / 1955],
    [1954, 0.1],
    [1955, 0.1],
    // Half of the 78,200 - 1,955 steps after the warm-up, less half a step.
    [40_077, 0.05 * (1 + Math.cos((Math.PI * (40_077 - 1955)) / 76_245))],
    [78_199, 0.05 * (1 + Math.cos((Math.PI * 76_244) / 76_245))],
  ])('ResNet18 takes one cosine: batch %i', (step, expected) => {
    expect(rateOf('resnet18-cifar100', 'meant')(step)).toBeCloseTo(expected, 12);
  });

  it.each([
    [60 * 391 - 1, 0.01],
    [60 * 391, 0.005],
    [120 * 391, 0.0025],
    [160 * 391, 0.00125],
  ])('AlexNet halves the rate after 60, 120 and 160 epochs: batch %i', (step, expected) => {
    expect(rateOf('alexnet-cifar10', 'meant')(step)).toBeCloseTo(expected, 12);
  });

  it.each([
    [80 * 391 - 1, 0.1],
    [80 * 391, 0.01],
    [120 * 391, 0.001],
  ])('ResNet20 takes a tenth after 80 and 120 epochs: batch %i', (step, expected) => {
    expect(rateOf('resnet20-cifar10', 'meant')(step)).toBeCloseTo(expected, 12);
  });
});
