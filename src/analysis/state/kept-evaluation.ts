/** Evaluations and vectors as bytes, to the last bit. */
import type { Evaluation } from '../../network/evaluation.js';

/** How a result is kept. */
export interface ResultForm<T> {
  /** Parts that do not change any more. */
  encode(result: T): Uint8Array[];
  /** Null for bytes that are no such result. */
  decode(bytes: Uint8Array): T | null;
}

function bytesOf(array: Float64Array | Float32Array | Uint8Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Numbers in float64. */
export const numbersForm: ResultForm<Float64Array> = {
  encode: (numbers) => [bytesOf(numbers)],
  decode: (bytes) => (bytes.length % 8 === 0 ? new Float64Array(new Uint8Array(bytes).buffer) : null),
};

/** Bytes of one right-or-wrong count: absent, a byte, or four. */
const COUNT_BYTES = [0, 1, 4];
const HEAD_NUMBERS = 7;

/** An evaluation of so many examples. */
export function evaluationForm(examples: number): ResultForm<Evaluation> {
  return {
    encode: ({ losses, meanLoss, accuracy, correct, decisions, decisionMargins, outputsSumToOne }) => {
      const head = Float64Array.of(
        meanLoss,
        accuracy === null ? 0 : 1,
        accuracy ?? 0,
        correct?.BYTES_PER_ELEMENT ?? 0,
        decisions,
        decisionMargins === null ? 0 : 1,
        outputsSumToOne ? 1 : 0,
      );
      return [head, losses, correct, decisionMargins].filter((array) => array !== null).map(bytesOf);
    },
    decode: (bytes) => {
      if (bytes.length < 8 * HEAD_NUMBERS) {
        return null;
      }
      // A copy begins where numbers of any size can.
      const part = (start: number, length: number): ArrayBuffer =>
        new Uint8Array(bytes.subarray(start, start + length)).buffer;
      const head = new Float64Array(part(0, 8 * HEAD_NUMBERS));
      const [meanLoss, hasAccuracy, accuracy, countBytes, decisions, hasMargins, sums] = head;
      const lossesAt = head.byteLength;
      const correctAt = lossesAt + 8 * examples;
      const marginsAt = correctAt + countBytes * examples;
      const end = marginsAt + (hasMargins === 1 ? 4 * examples : 0);
      if (!COUNT_BYTES.includes(countBytes) || bytes.length !== end) {
        return null;
      }
      const counts = part(correctAt, countBytes * examples);
      return {
        losses: new Float64Array(part(lossesAt, 8 * examples)),
        meanLoss,
        accuracy: hasAccuracy === 1 ? accuracy : null,
        correct:
          countBytes === 0 ? null : countBytes === 1 ? new Uint8Array(counts) : new Uint32Array(counts),
        decisions,
        decisionMargins: hasMargins === 1 ? new Float32Array(part(marginsAt, 4 * examples)) : null,
        outputsSumToOne: sums === 1,
      };
    },
  };
}
