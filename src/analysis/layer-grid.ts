/** What removing each layer to each of several counts does, alone and with every other removal. */
import { type LinearOperator, productSummary } from '../curvature/linear-operator.js';
import type { AllocationProblem } from '../pruning/allocation.js';
import { countsByLayer, type LayerSpan } from '../pruning/layer-removal.js';
import type { MagnitudeRanking } from '../pruning/magnitude.js';

/** Parts of a layer that are looked at besides those of global magnitude pruning, those that tell most first. */
const PARTS = [0.5, 0.8, 0.95, 0.2, 0.65, 0.9, 0.35, 0.1, 0.7, 0.6, 0.4, 0.3];
/** So many of these go before what lies around global magnitude pruning. */
const FIRST_PARTS = 4;
/** What is kept where global magnitude pruning keeps a part: as much, and so many times more and less. */
const KEPT_FACTORS = [1.15, 1 / 1.15, 1.35, 1 / 1.35];
/** Parts pruned that differ by less than this, and whose kept parts do by a smaller factor than this, count as one. */
const SAME_POINTS = 0.03;
const SAME_FACTOR = 1.08;
/** Choices of a layer, besides none of it: products grow with choices and layers. */
const MOST_CHOICES = 15;
const MOST_CHOICES_OF_MANY = 8;
const MANY_LAYERS = 32;

/**
 * The counts of each layer that are looked at, ascending from 0: those that global magnitude pruning removes of it at
 * the given totals, some more and some less, and parts of the layer spread over all of it; 15 at most, 8 where there
 * are more than 32 layers.
 *
 * @param totals weights removed of all layers, no more than 8
 */
export function layerCounts(
  layers: readonly LayerSpan[],
  ranking: MagnitudeRanking,
  totals: readonly number[],
): number[][] {
  const byMagnitude = totals.map((total) => countsByLayer(layers, ranking, total));
  const most = layers.length > MANY_LAYERS ? MOST_CHOICES_OF_MANY : MOST_CHOICES;
  return layers.map(({ size }, layer) => {
    const given = [...new Set(byMagnitude.map((counts) => counts[layer]))].filter((count) => count > 0);
    const around = KEPT_FACTORS.flatMap((factor) => given.map((count) => size - factor * (size - count)));
    const parts = PARTS.map((part) => part * size);
    const isSame = (count: number, other: number): boolean =>
      Math.abs(count - other) < SAME_POINTS * size &&
      Math.max(size - count, size - other) < SAME_FACTOR * Math.min(size - count, size - other);
    const chosen = [...given];
    for (const candidate of [...parts.slice(0, FIRST_PARTS), ...around, ...parts.slice(FIRST_PARTS)]) {
      const count = Math.floor(candidate);
      if (
        chosen.length < most &&
        count > 0 &&
        count < size &&
        chosen.every((other) => count !== other && !isSame(count, other))
      ) {
        chosen.push(count);
      }
    }
    return [0, ...chosen].sort((a, b) => a - b);
  });
}

/** The quadratic model of the loss on a grid of removals. */
export interface GridModel {
  counts: readonly (readonly number[])[];
  /** g' d_l + 1/2 d_l' H d_l, by layer and choice. */
  predictedAlone: Float64Array[];
  /** d_k' H d_l. */
  together: AllocationProblem['together'];
}

/**
 * The quadratic model on a grid: a product H d_l for every choice but 0, each of which gives d_k' H d_l for all choices
 * of all layers, as the removals of a layer are nested.
 *
 * @param counts of `layerCounts`
 * @param gradient g at the trained weights
 */
export async function gridModel(
  operator: LinearOperator,
  gradient: Float64Array,
  weights: Float32Array,
  orders: readonly Uint32Array[],
  counts: readonly (readonly number[])[],
  onProduct: () => void,
): Promise<GridModel> {
  /** Where the choices of each layer begin among those of all. */
  const starts = counts.map((_, layer) =>
    counts.slice(0, layer).reduce((sum, { length }) => sum + length, 0),
  );
  const choicesOfAll = Float64Array.from(counts.flat());
  /** d' v of every choice of every layer, one after the other. */
  const innerProducts = (vector: Float64Array): Float64Array => {
    const result = new Float64Array(choicesOfAll.length);
    for (const [layer, choices] of counts.entries()) {
      let sum = 0;
      let place = 0;
      for (const [choice, count] of choices.entries()) {
        for (; place < count; place++) {
          const index = orders[layer][place];
          sum -= weights[index] * vector[index];
        }
        result[starts[layer] + choice] = sum;
      }
    }
    return result;
  };
  const gradientTerms = innerProducts(gradient);
  const part = new Float64Array(weights.length);
  const rows: (Float64Array | null)[][] = [];
  for (const [layer, choices] of counts.entries()) {
    part.fill(0);
    let place = 0;
    const ofLayer: (Float64Array | null)[] = [];
    for (const count of choices) {
      for (; place < count; place++) {
        const index = orders[layer][place];
        part[index] = -weights[index];
      }
      if (count === 0) {
        ofLayer.push(null);
        continue;
      }
      ofLayer.push(
        await productSummary(operator, part, {
          name: 'd_k H d_l of all choices',
          // Each 0 begins a layer.
          inputs: [choicesOfAll],
          of: innerProducts,
        }),
      );
      onProduct();
    }
    rows.push(ofLayer);
  }
  const entry = (layer: number, choice: number, other: number, otherChoice: number): number =>
    rows[layer][choice]?.[starts[other] + otherChoice] ?? 0;
  return {
    counts,
    predictedAlone: counts.map((choices, layer) =>
      Float64Array.from(
        choices,
        (_, choice) => gradientTerms[starts[layer] + choice] + entry(layer, choice, layer, choice) / 2,
      ),
    ),
    // The two differ by the rounding of products.
    together: (layer, choice, other, otherChoice) =>
      (entry(layer, choice, other, otherChoice) + entry(other, otherChoice, layer, choice)) / 2,
  };
}

/** Loss increases of every choice of every layer alone, as measured; NaN or infinite where the loss overflows. */
export async function measuredAlone(
  counts: GridModel['counts'],
  increaseAt: (counts: readonly number[]) => Promise<number>,
  onEvaluation: () => void,
): Promise<Float64Array[]> {
  const result = counts.map((choices) => new Float64Array(choices.length));
  for (const [layer, choices] of counts.entries()) {
    for (const [choice, count] of choices.entries()) {
      if (count === 0) continue;
      result[layer][choice] = await increaseAt(counts.map((_, other) => (other === layer ? count : 0)));
      onEvaluation();
    }
  }
  return result;
}
