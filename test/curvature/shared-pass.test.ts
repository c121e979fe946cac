import { describe, expect, it } from 'vitest';
import { sharedPass } from '../../src/curvature/shared-pass.js';

describe('sharedPass', () => {
  it('takes vectors that are asked for together in one pass, later ones in the next', async () => {
    const passes: number[][] = [];
    const apply = sharedPass(async (vectors) => {
      passes.push(vectors.map(([first]) => first));
      await new Promise((resolve) => setTimeout(resolve, 1));
      return vectors.map((vector) => Float64Array.from(vector, (value) => 2 * value));
    });
    const first = [1, 2].map((value) => apply(Float64Array.of(value)));
    await Promise.resolve();
    const second = [3, 4].map((value) => apply(Float64Array.of(value)));
    const products = await Promise.all([...first, ...second]);
    expect(products.map(([value]) => value)).toEqual([2, 4, 6, 8]);
    expect(passes).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect([...(await apply(Float64Array.of(5)))]).toEqual([10]);
  });

  it('fails all vectors of a pass that fails, and goes on', async () => {
    let fail = true;
    const apply = sharedPass(async (vectors) => {
      if (fail) {
        throw new Error('no');
      }
      return vectors.map((vector) => Float64Array.from(vector));
    });
    const settled = await Promise.allSettled([apply(Float64Array.of(1)), apply(Float64Array.of(2))]);
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    fail = false;
    expect(await apply(Float64Array.of(3))).toEqual(Float64Array.of(3));
  });
});
