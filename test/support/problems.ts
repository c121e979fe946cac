import type { Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import type { LossProblem } from '../../src/curvature/products.js';
import { createNetwork } from '../../src/network/create-network.js';
import type { ExampleSource } from '../../src/network/example-source.js';
import type { LossName } from '../../src/network/loss.js';
import { type Batch, createBatches } from '../../src/programs/batches.js';
import type { TensorBatch } from '../../src/programs/curvature-products.js';
import { randomExamples, seededCheckpoint } from './models.js';

/** A model, a loss and the data they are tried on. */
export interface ModelCase {
  name: string;
  build: () => LayersModel;
  /** Shape of one input. */
  shape: readonly number[];
  outputs: number;
  loss: LossName;
  /** Changes the saved topology, for what tfjs-layers does not save. */
  adjustLayers?: (layers: SavedLayer[]) => void;
}

/** A layer as it stands in a saved topology. */
export interface SavedLayer {
  class_name: string;
  config: Record<string, unknown>;
}

export function savedLayers(checkpoint: LayersCheckpoint): SavedLayer[] {
  const entry = (checkpoint.topology.model_config ?? checkpoint.topology) as {
    config: { layers: SavedLayer[] };
  };
  return entry.config.layers;
}

/** The tensors of a batch that tfjs holds. */
export function tensorBatch({ x, y }: Batch): TensorBatch {
  return { inputs: x as unknown as Tensor, targets: y as unknown as Tensor };
}

/** A case made concrete by a seed. */
export interface SeededProblem extends LossProblem {
  checkpoint: LayersCheckpoint;
  source: ExampleSource;
  /** `layer/weight[i]` of an index into the flat weights. */
  nameOf: (index: number) => string;
}

const TARGETS = { 'cross-entropy': 'one-hot', 'binary-cross-entropy': 'binary', mse: 'real' } as const;

/** Runs `use` on a case with seeded weights and examples, and frees everything afterwards. */
export async function withProblem<T>(
  modelCase: ModelCase,
  options: { seed: number; examples?: number; batchSize?: number },
  use: (problem: SeededProblem) => Promise<T>,
): Promise<T> {
  const { seed, examples = 5, batchSize = 3 } = options;
  const { shape, outputs, loss } = modelCase;
  const checkpoint = await seededCheckpoint(modelCase.build(), seed);
  modelCase.adjustLayers?.(savedLayers(checkpoint));
  const network = await createNetwork(checkpoint);
  const source = randomExamples({ count: examples, shape, outputs, targets: TARGETS[loss], seed });
  const batches = createBatches(source, outputs, { batchSize, keepBytes: 2 ** 24 });
  const nameOf = (index: number): string => {
    const weight = network.prunable.find(({ offset, size }) => index < offset + size);
    return weight === undefined ? `[${index}]` : `${weight.name}[${index - weight.offset}]`;
  };
  try {
    return await use({ network, loss, batches, checkpoint, source, nameOf });
  } finally {
    batches.dispose();
    network.dispose();
  }
}
