import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MethodConfig } from '../../../src/config.js';
import { methodFor } from '../../../src/method-choice.js';
import { CHOICE_RULES, CHOICE_SOURCE, chooseMethod } from '../../../src/pruning/methods/choice.js';
import type { PruningMethodName } from '../../../src/pruning/methods/names.js';

const NONE = new Map<PruningMethodName, string>();

const choose = (examples: number, budgetEpochs: number, prunedFraction: number, cannot = NONE) =>
  chooseMethod({ examples, budgetEpochs, prunedFraction }, cannot).method;

describe('the method that auto takes', () => {
  // Each is the best of its measurements on MLPNet, or within .3 points of it.
  it.each<[number, number, number, PruningMethodName]>([
    [60_000, 1, 0.8, 'gradual'],
    [60_000, 1, 0.95, 'gradual'],
    [60_000, 0.2, 0.8, 'gradual'],
    [60_000, 0.1, 0.8, 'compensated'],
    [60_000, 0.2, 0.9, 'gradual'],
    [60_000, 0.2, 0.95, 'compensated'],
    [60_000, 0.02, 0.95, 'compensated'],
    [1000, 1, 0.8, 'compensated'],
    [1000, 0.2, 0.9, 'compensated'],
    [1000, 20, 0.9, 'compensated'],
    [1000, 20, 0.95, 'compensated'],
    [1000, 1, 0.98, 'compensated'],
    [1000, 20, 0.98, 'compensated'],
    [60_000, 0.2, 0.98, 'compensated'],
    [60_000, 1, 0.98, 'gradual'],
    [100, 1, 0.8, 'compensated'],
    [100, 100, 0.95, 'compensated'],
    [0, 0, 0.9, 'magnitude'],
  ])('of %i examples, %f passes, %f pruned is %s', (examples, budget, pruned, method) => {
    expect(choose(examples, budget, pruned)).toBe(method);
  });

  it('says why, and which ones cannot', () => {
    const cannot = new Map<PruningMethodName, string>([
      ['gradual', 'no training'],
      ['compensated', 'no memory'],
    ]);
    expect(chooseMethod({ examples: 100, budgetEpochs: 1, prunedFraction: 0.9 }, cannot)).toEqual({
      method: 'cbs',
      reason: expect.stringContaining('with 100 examples'),
      source: CHOICE_SOURCE,
      refused: [{ method: 'compensated', why: 'no memory' }],
    });
  });

  it('is one whatever is asked and refused, as long as magnitude is not', () => {
    const names = CHOICE_RULES.map(({ method }) => method).filter((name) => name !== 'magnitude');
    fc.assert(
      fc.property(
        fc.nat(1e6),
        fc.double({ min: 0, max: 100, noNaN: true }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.subarray([...new Set(names)]),
        (examples, budget, pruned, missing) => {
          const method = choose(
            examples,
            budget,
            pruned,
            new Map(missing.map((name): [PruningMethodName, string] => [name, 'missing'])),
          );
          expect(missing).not.toContain(method);
        },
      ),
    );
  });

  it('comes from the place that it names', () => {
    const [file, heading] = CHOICE_SOURCE.split(', ');
    expect(readFileSync(file, 'utf8')).toContain(`## ${heading.replaceAll('"', '')}\n`);
  });
});

describe('methodFor', () => {
  const asked = (budgetEpochs: number, tuneExamples: number | 'all', available = 60_000) =>
    methodFor(
      { budgetEpochs, tuneExamples } as MethodConfig,
      { loss: 'mse', trainingAvailable: available } as never,
      {} as never,
      0.9,
      new Map(),
    );

  it('takes no method that trains where the network cannot be trained, and says so', async () => {
    expect(await asked(1, 'all')).toMatchObject({
      method: 'compensated',
      refused: [{ method: 'gradual', why: expect.stringContaining('cross-entropy, not mse') }],
    });
  });

  it('goes by the weights alone without a budget and a number of examples', async () => {
    expect((await asked(0, 'all')).method).toBe('magnitude');
    expect((await asked(0, 1000)).method).toBe('compensated');
  });

  it('counts examples that there are, not those that were asked for', async () => {
    expect(await asked(0, 5000, 90)).toMatchObject({
      method: 'compensated',
      reason: expect.stringContaining('with 100 examples'),
    });
    expect((await asked(1, 'all', 90)).method).toBe('compensated');
  });
});
