import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fallProbability, upperBinomialTail } from '../../src/pruning/paired-test.js';

/** P(X >= least) for n fair coins, in whole numbers. */
function exactTail(n: number, least: number): number {
  let coefficient = 1n;
  let sum = 0n;
  for (let k = 0; k <= n; k++) {
    sum += k >= least ? coefficient : 0n;
    coefficient = (coefficient * BigInt(n - k)) / BigInt(k + 1);
  }
  // Twenty digits of the quotient.
  return Number((sum * 10n ** 300n) / 2n ** BigInt(n)) / 1e300;
}

/** By trying all 2^n signs. */
function enumerated(changes: readonly number[]): number {
  const seen = changes.reduce((sum, change) => sum + change, 0);
  let atLeast = 0;
  for (let signs = 0; signs < 2 ** changes.length; signs++) {
    const sum = changes.reduce((total, change, i) => total + ((signs >> i) & 1 ? change : -change), 0);
    atLeast += sum <= seen ? 1 : 0;
  }
  return atLeast / 2 ** changes.length;
}

/** b fallen and c risen examples. */
function discordant(b: number, c: number): number[] {
  return [...Array<number>(b).fill(-1), ...Array<number>(c).fill(1)];
}

describe('upperBinomialTail', () => {
  it('is the sum of binomial coefficients over 2^n', () => {
    for (const n of [0, 1, 2, 5, 17, 100, 600]) {
      for (const least of [0, 1, Math.floor(n / 3), Math.ceil(n / 2), Math.ceil(0.6 * n), n, n + 1]) {
        const exact = exactTail(n, least);
        expect(Math.abs(upperBinomialTail(n, least) - exact)).toBeLessThanOrEqual(1e-11 * exact);
      }
    }
  });

  it('stays a number where 2^-n is none', () => {
    expect(upperBinomialTail(20_000, 10_000)).toBeCloseTo(0.5 + 0.5 / Math.sqrt(Math.PI * 10_000), 5);
    expect(upperBinomialTail(20_000, 0)).toBe(1);
  });
});

describe('fallProbability', () => {
  it('is the exact McNemar test where examples are right or wrong', () => {
    for (const [b, c] of [
      [0, 0],
      [4, 0],
      [5, 0],
      [0, 5],
      [10, 3],
      [50, 34],
      [300, 260],
    ]) {
      const exact = exactTail(b + c, b);
      expect(Math.abs(fallProbability(discordant(b, c)) - exact)).toBeLessThanOrEqual(1e-11 * exact);
    }
    // Textbook edge: 5 of 5 is the smallest fall that is significant.
    expect(fallProbability(discordant(5, 0))).toBe(1 / 32);
    expect(fallProbability(discordant(4, 0))).toBe(1 / 16);
  });

  it('is the share of signs that give such a fall, with several decisions an example', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.integer({ min: -6, max: 6 }).filter((change) => change !== 0),
          { maxLength: 9 },
        ),
        (changes) => {
          expect(fallProbability(changes)).toBeCloseTo(enumerated(changes), 12);
        },
      ),
      { numRuns: 100, seed: 3 },
    );
  });

  it('does not depend on the unit', () => {
    expect(fallProbability(discordant(12, 5).map((change) => 7 * change))).toBe(
      fallProbability(discordant(12, 5)),
    );
  });

  it('is nearly the same by approximation as exactly', () => {
    // 9,990 changes of 1 and 10 of 2: too many to enumerate, and nearly a binomial distribution.
    const changes = [...discordant(5060, 4930), ...Array<number>(10).fill(-2)];
    const exact = fallProbability(discordant(5060 + 20, 4930));
    expect(Math.abs(fallProbability(changes) / exact - 1)).toBeLessThan(0.02);
    const risen = changes.map((change) => -change);
    expect(fallProbability(changes) + fallProbability(risen)).toBeCloseTo(1, 1);
  });
});
