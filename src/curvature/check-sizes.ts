import { type ProgramCost, programCost } from '../compute/program-cost.js';
import type { ExampleSource } from '../network/example-source.js';
import { type Network, weightTensors } from '../network/network.js';
import { tensor } from '../tfjs-core.js';

/** How many examples derivatives are checked with, by what a forward pass of one takes. */
export interface CheckSizes {
  /** Of a product or gradient; all at once. */
  examples: number;
  /** Looked at to find those that show most. */
  candidates: number;
  /** Of a forward pass by tfjs. */
  evaluationBatch: number;
}

/** Where nothing is short: it is the program that is checked, not the data. */
const MOST: CheckSizes = { examples: 8, candidates: 128, evaluationBatch: 32 };

/**
 * Bytes of all results in a forward pass of what is checked at once. A product by tfjs holds 6.3 times as much at its
 * peak for ResNet-20 (32 x 32) and 4.9 for ResNet-50 (224 x 224), counted by `measureProductCost`; ten times are allowed for,
 * in half of the 4 GiB that WebAssembly can address: the rest is for weights (1.5 GB for ResNet-50) and for what gaps take.
 */
const CHECKED_BYTES = 2 ** 31 / 10;
/** The same of a forward pass alone. */
const EVALUATED_BYTES = 2 ** 30;
/** Operations of the forward passes of all candidates: ten seconds or so, where tfjs computes. */
const CANDIDATE_OPERATIONS = 2e11;

function forwardCost(network: Network, { shape }: Pick<ExampleSource, 'shape'>): ProgramCost {
  const values = new Float32Array(shape.reduce((product, extent) => product * extent, 1));
  return programCost(() =>
    network.logits(weightTensors(network, network.weights), tensor(values, [1, ...shape], 'float32')),
  );
}

const from1 = (most: number, value: number): number => Math.max(1, Math.min(most, Math.floor(value)));

/**
 * How many examples of a shape can be checked with at a time: fewer where their
 * activations would not fit into the heap of WebAssembly, and fewer are looked
 * at where a forward pass takes long.
 */
export function checkSizes(network: Network, source: Pick<ExampleSource, 'shape'>): CheckSizes {
  const { resultBytes, operations } = forwardCost(network, source);
  const examples = from1(MOST.examples, CHECKED_BYTES / resultBytes);
  return {
    examples,
    candidates: Math.max(examples, from1(MOST.candidates, CANDIDATE_OPERATIONS / operations)),
    evaluationBatch: from1(MOST.evaluationBatch, EVALUATED_BYTES / resultBytes),
  };
}
