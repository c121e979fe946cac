import { afterEach, describe, expect, it, vi } from 'vitest';
import { randomStream } from '../../src/random.js';
import { createLanczosBasis, plainBasis } from '../../src/spectrum/lanczos-basis.js';
import { createSimdKernels } from '../../src/spectrum/simd-kernels.js';

afterEach(() => vi.unstubAllGlobals());

function randomVector(length: number, name: string): Float64Array {
  const random = randomStream(1, name);
  return Float64Array.from({ length }, () => random.normal() / Math.sqrt(length));
}

describe('the Lanczos basis in SIMD loops', () => {
  it('is there, in every supported Node', () => {
    expect(createSimdKernels(65536, 65536)).not.toBeNull();
  });

  it.each([1, 3, 15, 16, 17, 2047, 2048, 2049, 5000])(
    'projects and subtracts as plain float64 loops do, length %i',
    (length) => {
      const simd = createLanczosBasis(length, 'float32');
      const plain = plainBasis('float64');
      let pushed = 0;
      for (const count of [0, 1, 4, 5, 18, 37]) {
        while (pushed < count) {
          const vector = randomVector(length, `vector ${pushed++}`);
          simd.push(vector);
          plain.push(vector);
        }
        const [x, y] = [randomVector(length, 'x'), randomVector(length, 'y')];
        const [found, expected] = [simd.project(x, y), plain.project(x, y)];
        for (const side of ['x', 'y'] as const) {
          expect(found[side]).toHaveLength(count);
          found[side].forEach((value, j) => {
            expect(Math.abs(value - expected[side][j])).toBeLessThan(2e-6);
          });
        }
        const [x1, y1, x2, y2] = [x.slice(), y.slice(), x.slice(), y.slice()];
        simd.subtract(x1, expected.x, y1, expected.y);
        plain.subtract(x2, expected.x, y2, expected.y);
        for (let i = 0; i < length; i++) {
          expect(Math.abs(x1[i] - x2[i]) + Math.abs(y1[i] - y2[i])).toBeLessThan(1e-5);
        }
      }
    },
  );

  it('falls back to plain arrays without WebAssembly', () => {
    vi.stubGlobal('WebAssembly', undefined);
    const basis = createLanczosBasis(3, 'float32');
    basis.push(Float64Array.of(1, 0, 0));
    expect(basis.project(Float64Array.of(2, 1, 1), Float64Array.of(3, 1, 1))).toEqual({
      x: Float64Array.of(2),
      y: Float64Array.of(3),
    });
  });
});
