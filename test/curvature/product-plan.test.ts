import { describe, expect, it } from 'vitest';
import type { GraphCost } from '../../src/compute/compile/graph-cost.js';
import type { ProgramPlans, SplitCost } from '../../src/compute/executor.js';
import { PRODUCT_PLANS, type ProductDemand, planProducts } from '../../src/curvature/product-plan.js';

function cost(operations: number, peakBytes = 100): GraphCost {
  return { operations, trafficBytes: 0, peakBytes };
}

/** A program of which only the costs are known: per batch, whatever its size. */
function programOf(whole: GraphCost, plain: SplitCost, unfolded: SplitCost): ProgramPlans {
  return {
    wholeCost: () => whole,
    splitCost: (_batchSize, _variable, keepUnfolded) => (keepUnfolded ? unfolded : plain),
    compileSplit: () => Promise.reject(new Error('only costs are known')),
  };
}

const typical = programOf(
  cost(2000, 300),
  { prologue: cost(1000, 200), step: cost(1200, 200), keptBytes: 20 },
  { prologue: cost(1100, 400), step: cost(900, 200), keptBytes: 500 },
);
const demand: ProductDemand = {
  examples: 40,
  batchSize: 10,
  cacheBytes: 0,
  workingBytes: 1e6,
  vectors: 1,
};

describe('planProducts', () => {
  it('keeps what fits, unfolded images too where there is room for all of it', () => {
    const plan = (cacheBytes: number) => planProducts(typical, ['v'], { ...demand, cacheBytes });
    expect(plan(2000)).toMatchObject({ name: 'kept', keptBatches: 4, unfoldedBatches: 4 });
    expect(plan(400)).toMatchObject({ name: 'kept', keptBatches: 4, unfoldedBatches: 0 });
    expect(plan(600)).toMatchObject({ name: 'kept', keptBatches: 4, unfoldedBatches: 1 });
    expect(plan(2000).bytes).toBe(4 * 500 + 500 + 400);
  });

  it('without room, separates only where several vectors share the work', () => {
    // One vector: 2000 against 1000 + 1200 and the copies; two: 4000 against 1000 + 2400 and the copies.
    const plan = (vectors: number) => planProducts(typical, ['v'], { ...demand, vectors });
    expect(plan(1)).toMatchObject({ name: 'whole', keptBatches: 0, bytes: 300 });
    expect(plan(2)).toMatchObject({ name: 'recomputed', keptBatches: 0, recomputesUnfolded: false });
  });

  it('leaves out what takes more than a pass may', () => {
    const wide = { ...demand, cacheBytes: 2000 };
    expect(planProducts(typical, ['v'], { ...wide, workingBytes: 260 })).toMatchObject({
      name: 'kept',
      unfoldedBatches: 0,
    });
  });

  it.each(PRODUCT_PLANS)('%s where it is asked for and possible', (name) => {
    const plan = planProducts(typical, ['v'], { ...demand, cacheBytes: 40 }, name);
    expect(plan).toMatchObject({ name, keptBatches: name === 'kept' ? 2 : 0, batches: 4, batchSize: 10 });
  });

  it('recomputes where keeping is asked for and not even one batch fits', () => {
    expect(planProducts(typical, ['v'], demand, 'kept').name).toBe('recomputed');
  });
});
