import {
  dispose,
  engine,
  FusedBatchNorm,
  type NamedTensorMap,
  onesLike,
  type Tensor,
  zerosLike,
} from '../tfjs-core.js';

/** The part of a tfjs tape entry that its order depends on. */
export interface OrderedTapeNode {
  inputs: NamedTensorMap;
  outputs: Tensor[];
}

/** A tape entry with the tensors it keeps for the reverse pass. */
interface SavingTapeNode extends OrderedTapeNode {
  saved?: Tensor[];
}

/** What is repaired of the tfjs engine; not part of its public types. */
interface RepairableEngine {
  state: { activeTape: SavingTapeNode[] | null | undefined; gradientDepth: number };
  gradients(...parameters: unknown[]): unknown;
  addTapeNode(...parameters: unknown[]): void;
  runKernel(name: string, inputs: Record<string, Tensor | null | undefined>, attrs?: unknown): unknown;
}

const repairedEngines = new WeakSet<object>();

/**
 * Moves the last node of the tape in front of the nodes just before it that
 * read one of its outputs, so that the tape is again in execution order.
 */
export function moveProducerBeforeReaders(tape: OrderedTapeNode[]): void {
  const producer = tape[tape.length - 1];
  const produced = new Set(producer.outputs.map((output) => output.id));
  const readsProducer = (node: OrderedTapeNode): boolean =>
    Object.values(node.inputs).some((input) => produced.has(input.id));
  let position = tape.length - 1;
  while (position > 0 && readsProducer(tape[position - 1])) {
    position--;
  }
  if (position < tape.length - 1) {
    tape.pop();
    tape.splice(position, 0, producer);
  }
}

/**
 * tfjs saves an output that a gradient uses (tanh, sigmoid, exp, softmax, max
 * pooling, ...) by cloning it, and records the clone on the tape *before* the
 * operation that produced it. An outer reverse pass then comes to the
 * operation before the gradient of the clone is known, and silently drops that
 * part of the second derivative (tfjs issue 3252). Every tape node is recorded
 * through one method of the engine; restoring the order there cures all
 * operations at once.
 */
function repairTapeOrder(target: RepairableEngine): void {
  const addTapeNode = target.addTapeNode.bind(target);
  target.addTapeNode = (...parameters) => {
    addTapeNode(...parameters);
    if (target.state.activeTape) {
      moveProducerBeforeReaders(target.state.activeTape);
    }
  };
}

/**
 * Batch normalisation without scale or offset leaves those inputs undefined,
 * on which the tape fails; they are filled in with ones and zeros.
 */
function repairOptionalBatchNormInputs(target: RepairableEngine): void {
  const runKernel = target.runKernel.bind(target);
  target.runKernel = (name, inputs, attrs) => {
    if (name !== FusedBatchNorm) {
      return runKernel(name, inputs, attrs);
    }
    const mean = inputs.mean as Tensor;
    const scale = inputs.scale ?? onesLike(mean);
    const offset = inputs.offset ?? zerosLike(mean);
    return runKernel(name, { ...inputs, scale, offset }, attrs);
  };
}

/** A gradient that throws leaves behind what its tape kept for the reverse pass; here it is disposed of. */
function repairTapeOfFailedGradients(target: RepairableEngine): void {
  const gradients = target.gradients.bind(target);
  target.gradients = (...parameters) => {
    try {
      return gradients(...parameters);
    } catch (error) {
      const { state } = target;
      if (state.gradientDepth === 0 && state.activeTape) {
        dispose(state.activeTape.flatMap(({ saved }) => saved ?? []));
        state.activeTape = null;
      }
      throw error;
    }
  };
}

/**
 * Makes nested gradients of the tfjs engine right and complete.
 *
 * Safe to call repeatedly.
 */
export function repairNestedGradients(): void {
  const target = engine() as unknown as RepairableEngine;
  if (repairedEngines.has(target)) {
    return;
  }
  repairedEngines.add(target);
  repairTapeOrder(target);
  repairOptionalBatchNormInputs(target);
  repairTapeOfFailedGradients(target);
}
