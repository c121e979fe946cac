import { describe, expect, it } from 'vitest';
import { compileRowProjector } from '../../../src/compute/compile/row-projection.js';
import { NotCompilableError } from '../../../src/compute/compile/trace.js';
import { randomStream } from '../../../src/random.js';
import { hasNative, native } from './support.js';

function normals(length: number, name: string): Float32Array {
  const random = randomStream(1, name);
  return Float32Array.from({ length }, () => random.normal() / Math.sqrt(length));
}

describe.skipIf(!hasNative)('the row projection', () => {
  it.each([
    [1, 1],
    [1, 7],
    [3, 1],
    [4, 16],
    [5, 2047],
    [33, 102_400],
  ])('of %i rows of length %i is what float64 loops find', async (count, length) => {
    const projector = await compileRowProjector(native);
    expect(projector.paddedLength(length)).toBe(length);
    const rows = normals(count * length, 'rows').map((entry) => entry * Math.sqrt(count));
    const x = normals(length, 'x');
    const { coefficients, remainder } = await projector.project(rows, x);
    const expected = Float64Array.from(x);
    expect(coefficients).toHaveLength(count);
    for (let k = 0; k < count; k++) {
      let coefficient = 0;
      for (let i = 0; i < length; i++) {
        coefficient += rows[k * length + i] * x[i];
      }
      // Of vectors of unit norm: float32 rounding, summed over many terms.
      expect(Math.abs(coefficients[k] - coefficient)).toBeLessThan(5e-7);
      for (let i = 0; i < length; i++) {
        expected[i] -= coefficient * rows[k * length + i];
      }
    }
    expect(remainder).toHaveLength(length);
    remainder.forEach((value, i) => {
      expect(Math.abs(value - expected[i])).toBeLessThan(5e-7);
    });
    projector.dispose();
  });

  it('asks for whole segments of long vectors', async () => {
    const projector = await compileRowProjector(native);
    expect([4096, 4097, 266_200].map(projector.paddedLength)).toEqual([4096, 8192, 266_240]);
    projector.dispose();
  });

  it('is as exact where large parts cancel: constant rows, a vector of both signs', async () => {
    const projector = await compileRowProjector(native);
    const length = 65 * 4096;
    const rows = new Float32Array(5 * length).fill(1 / Math.sqrt(length));
    // A square wave of unit norm, as long as the vector, and an overlap of 1e-4.
    const x = Float32Array.from(
      { length },
      (_, i) => ((i < length / 2 ? 1 : -1) * (1 + 1e-3 * Math.sin(i)) + 1e-4) / Math.sqrt(length),
    );
    const expected = x.reduce((sum, entry) => sum + entry * rows[0], 0);
    const { coefficients } = await projector.project(rows, x);
    for (const coefficient of coefficients) {
      expect(Math.abs(coefficient - expected)).toBeLessThan(2e-7);
    }
    projector.dispose();
  });

  it('reads rows where they lie, a part of a larger array', async () => {
    const projector = await compileRowProjector(native);
    const all = Float32Array.of(9, 9, 1, 0, 0, 1, 9, 9);
    const x = Float32Array.of(0.25, 0.5);
    const { coefficients, remainder } = await projector.project(all.subarray(2, 6), x);
    expect([...coefficients]).toEqual([0.25, 0.5]);
    expect([...remainder]).toEqual([0, 0]);
    expect([...x]).toEqual([0.25, 0.5]);
    projector.dispose();
  });

  it('is refused in words where ONNX Runtime fails', async () => {
    const projector = await compileRowProjector(native);
    projector.dispose();
    await expect(projector.project(new Float32Array(4), new Float32Array(2))).rejects.toThrow(
      NotCompilableError,
    );
  });
});
