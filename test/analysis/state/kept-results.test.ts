/** Results as bytes: the same to the last bit, and none from other bytes. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { resultKey } from '../../../src/analysis/state/analysis-state.js';
import { evaluationForm, numbersForm, type ResultForm } from '../../../src/analysis/state/kept-evaluation.js';
import type { Evaluation } from '../../../src/network/evaluation.js';
import { maskedNetworkForm } from '../../../src/tuned-limits.js';

function again<T>(form: ResultForm<T>, result: T): T | null {
  return form.decode(Buffer.concat(form.encode(result)));
}

const EXAMPLES = 5;

const evaluation: fc.Arbitrary<Evaluation> = fc.record({
  losses: fc.float64Array({ minLength: EXAMPLES, maxLength: EXAMPLES }),
  meanLoss: fc.double(),
  accuracy: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  correct: fc.oneof(
    fc.constant(null),
    fc.uint8Array({ minLength: EXAMPLES, maxLength: EXAMPLES }),
    fc.uint32Array({ minLength: EXAMPLES, maxLength: EXAMPLES }),
  ),
  decisions: fc.integer({ min: 1, max: 1000 }),
  decisionMargins: fc.option(fc.float32Array({ minLength: EXAMPLES, maxLength: EXAMPLES })),
  outputsSumToOne: fc.boolean(),
});

it('property: evaluations and numbers', () => {
  fc.assert(
    fc.property(evaluation, (result) => {
      expect(again(evaluationForm(EXAMPLES), result)).toEqual(result);
      const bytes = Buffer.concat(evaluationForm(EXAMPLES).encode(result));
      expect(evaluationForm(EXAMPLES + 1).decode(bytes)).toBeNull();
      for (const length of [0, 7, 55, bytes.length - 1]) {
        expect(evaluationForm(EXAMPLES).decode(bytes.subarray(0, length))).toBeNull();
      }
    }),
  );
  fc.assert(
    fc.property(fc.float64Array(), (numbers) => {
      expect(again(numbersForm, numbers)).toEqual(numbers);
    }),
  );
  expect(numbersForm.decode(new Uint8Array(9))).toBeNull();
});

it('property: no bytes are taken for an evaluation that are too few', () => {
  fc.assert(
    fc.property(fc.float64Array({ minLength: 7, maxLength: 30 }), (numbers) => {
      const found = evaluationForm(EXAMPLES).decode(new Uint8Array(numbers.buffer));
      expect(found === null || found.losses.length === EXAMPLES).toBe(true);
    }),
  );
});

it('networks that were retrained; none of one that diverged', () => {
  const network = {
    weights: [Float32Array.of(1, Number.NaN, -0), Float32Array.of(4)],
    statistics: [Float32Array.of(5, 6)],
    mask: Uint8Array.of(1, 0, 1),
  };
  const form = maskedNetworkForm(network);
  expect(again(form, network)).toEqual(network);
  expect(again(form, null)).toBeNull();
  expect(form.decode(new Uint8Array(26))).toBeNull();
});

it('keys tell kinds, numbers, their types and their order apart', () => {
  const one = Float32Array.of(1, 2);
  const keys = [
    resultKey('a'),
    resultKey('b'),
    resultKey('a', [one]),
    resultKey('a', [Float64Array.of(1, 2)]),
    resultKey('a', [Float32Array.of(2, 1)]),
    resultKey('a', [one, one]),
    resultKey('a', [Float32Array.of(1, 2, 1, 2)]),
    resultKey('a', [Float32Array.of(1, -0)]),
    resultKey('a', [Float32Array.of(1, 0)]),
  ];
  expect(new Set(keys).size).toBe(keys.length);
  expect(resultKey('a', [one])).toBe(resultKey('a', [one.slice()]));
});
