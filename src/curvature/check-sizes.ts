import { observeKernels } from '../compute/observed-kernels.js';
import { kernelOperations } from '../compute/operation-count.js';
import { byShapesOrNumbers } from '../compute/shapes/shape-backend.js';
import type { ExampleSource } from '../network/example-source.js';
import { type Network, weightTensors } from '../network/network.js';
import { type Tensor, tensor, tidy } from '../tfjs-core.js';

/** How many examples derivatives are checked with, by what a forward pass of one takes. */
export interface CheckSizes {
  /** Of a product or gradient; all at once. */
  examples: number;
  /** Looked at to find those that show most. */
  candidates: number;
  /** Of a forward pass by tfjs. */
  evaluationBatch: number;
}

const FLOAT32_BYTES = 4;

/** Where nothing is short: it is the program that is checked, not the data. */
const MOST: CheckSizes = { examples: 8, candidates: 128, evaluationBatch: 32 };

/**
 * Bytes of all results in a forward pass of what is checked at once: a product by tfjs holds eight to ten times as
 * much at its peak (ResNet-20 for 32 x 32, ResNet-50 for 224 x 224), and half of the 4 GiB that WebAssembly can
 * address is for that; weights take their share of the rest.
 */
const CHECKED_BYTES = 2 ** 31 / 10;
/** The same of a forward pass alone. */
const EVALUATED_BYTES = 2 ** 30;
/** Operations of the forward passes of all candidates: seconds, where tfjs computes. */
const CANDIDATE_OPERATIONS = 2e11;

/** Bytes of all results, and operations, in a forward pass of one example. */
interface ForwardCost {
  bytes: number;
  operations: number;
}

function forwardCost(network: Network, { shape }: Pick<ExampleSource, 'shape'>): ForwardCost {
  let bytes = 0;
  let operations = 0;
  const values = new Float32Array(shape.reduce((product, extent) => product * extent, 1));
  const forward = (): void => {
    const weights = weightTensors(network, network.weights);
    const example = tensor(values, [1, ...shape], 'float32');
    observeKernels(
      () => network.logits(weights, example),
      (name, inputs, _attributes, result) => {
        const outputs = [result].flat();
        bytes += outputs.reduce((sum, { size }) => sum + FLOAT32_BYTES * size, 0);
        operations += kernelOperations({
          name,
          inputShapes: Object.values(inputs).map((input) => (input as Tensor | null)?.shape ?? null),
          outputShapes: outputs.map((output) => output.shape),
        });
      },
    );
  };
  byShapesOrNumbers(() => {
    bytes = 0;
    operations = 0;
    tidy(forward);
  });
  return { bytes, operations };
}

const from1 = (most: number, value: number): number => Math.max(1, Math.min(most, Math.floor(value)));

/**
 * How many examples can be checked with at a time: fewer where their
 * activations would not fit into the heap of WebAssembly, and fewer are looked
 * at where a forward pass takes long.
 */
export function checkSizes(network: Network, source: Pick<ExampleSource, 'shape'>): CheckSizes {
  const { bytes, operations } = forwardCost(network, source);
  const examples = from1(MOST.examples, CHECKED_BYTES / bytes);
  return {
    examples,
    candidates: Math.max(examples, from1(MOST.candidates, CANDIDATE_OPERATIONS / operations)),
    evaluationBatch: from1(MOST.evaluationBatch, EVALUATED_BYTES / bytes),
  };
}
