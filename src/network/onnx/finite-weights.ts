import type { OnnxCheckpoint } from '../../checkpoint/checkpoint.js';
import { requireFinite } from '../../checkpoint/quantization.js';
import { kernelNames } from './kernels.js';
import type { Plan } from './plan.js';

/** Operands that training sets: kernels, biases, scales and statistics. */
export const TRAINED_OPERANDS: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Gemm: [0, 1, 2],
  MatMul: [0, 1],
  BatchNormalization: [1, 2, 3, 4],
  InstanceNormalization: [1, 2],
  LayerNormalization: [1, 2],
  GroupNormalization: [1, 2],
  PRelu: [1],
};

/**
 * Refuses trained weights that hold NaN or an infinity, and NaN in whatever the
 * network reads. Elsewhere infinities have a meaning: masks of attention and
 * bounds of Clip hold them. What the network does not read does no harm.
 *
 * @throws InputError `checkpoint/non-finite-weight`
 */
export function requireFiniteWeights({ weights, path }: OnnxCheckpoint, plan: Plan): void {
  const trained = new Set(kernelNames(plan, new Map(weights.map(({ name, shape }) => [name, shape.length]))));
  const read = new Set<string>();
  for (const { opType, domain, inputs } of plan.nodes) {
    const operands = domain === '' && Object.hasOwn(TRAINED_OPERANDS, opType) ? TRAINED_OPERANDS[opType] : [];
    inputs.forEach((name, index) => {
      read.add(name);
      if (operands.includes(index)) {
        trained.add(name);
      }
    });
  }
  for (const weight of weights) {
    const { name, values } = weight;
    if (trained.has(name) || (read.has(name) && (values as Float32Array).some(Number.isNaN))) {
      requireFinite(weight, path);
    }
  }
}
