import type { PrunableWeight } from '../../network/network.js';
import type { MatrixProducts } from './matrix-products.js';

/** A half-open range of calibration examples. */
export interface ExampleRange {
  start: number;
  end: number;
}

/** A symmetric matrix over the flat weights at fixed weights. */
export interface PruningCurvature {
  /** Product with a vector of length D, in float64. */
  apply(vector: Float64Array): Promise<Float64Array>;
  dispose(): void;
}

/** Second moments of a dense layer's inputs. */
export interface LayerInputs {
  /** Inputs of the layer. */
  columns: number;
  /** The axis of the weight that they lie along. */
  inputAxis: 0 | 1;
  /** H = 2 X'X / n, columns x columns, float64. */
  gram: Float64Array;
}

/** What pruning methods may know of a loss: training examples only, numbered from 0. */
export interface LossOracle {
  /** Distinct training examples that may be seen. */
  readonly examples: number;
  /** Mean loss over a range, at flat weights of length D. */
  loss(weights: Float32Array, range: ExampleRange): Promise<number>;
  /** Gradient of that mean loss, length D, float64. */
  gradient(weights: Float32Array, range: ExampleRange): Promise<Float64Array>;
  /** Generalised Gauss-Newton matrix of that mean loss. */
  gaussNewton(weights: Float32Array, range: ExampleRange): Promise<PruningCurvature>;
  /**
   * Gradients of the mean loss of mini-batches, in the order of the examples.
   *
   * @param visit called with each, length D; it is valid during the call only
   */
  gradientRows(
    weights: Float32Array,
    options: { batchSize: number; count: number },
    visit: (row: Float32Array, index: number) => void,
  ): Promise<void>;
  /** Mean, over the first examples, of the squares of the gradients of single examples; length D, float64. */
  meanSquaredGradient(weights: Float32Array, examples: number): Promise<Float64Array>;
  /**
   * The same over the first examples with other targets: the network's own outputs at some weights, mixed with the
   * labels. Without labels the loss is smallest, and has the gradient 0, where the outputs are these.
   *
   * @param labelShare of the labels in the targets, 0 to 1
   */
  towards(weights: Float32Array, examples: number, labelShare: number): Promise<LossOracle>;
  /** Of each prunable weight, the moments of its layer's inputs over a range; null where the layer is not dense. */
  layerInputs(weights: Float32Array, range: ExampleRange): Promise<(LayerInputs | null)[]>;
  /** Gradient, in the weights, of the summed outputs for one input of ones; length D, float64. */
  summedOutputGradient(weights: Float32Array): Promise<Float64Array>;
}

/** A network to prune. */
export interface PruningProblem {
  /** w*, the trained prunable weights; not to be changed. */
  readonly weights: Float32Array;
  /** Where the layers lie in them, in forward order. */
  readonly layers: readonly PrunableWeight[];
  readonly oracle: LossOracle;
  readonly products: MatrixProducts;
}

/** How far to prune. */
export interface PruningTarget {
  /** How many weights to set to 0, 0 to D - 1. */
  prunedWeights: number;
  /** Of every random choice. */
  seed: number;
}

/** A pruned network. */
export interface PrunedNetwork {
  /** 1 where a weight is kept, 0 where it is set to 0; length D. */
  mask: Uint8Array;
  /** The weights, 0 where the mask is; length D. */
  weights: Float32Array;
}

/** Prunes a network; deterministic for a seed. */
export type PruningMethod = (problem: PruningProblem, target: PruningTarget) => Promise<PrunedNetwork>;
