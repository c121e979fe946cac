/** Which weights of a model are kernels of transposed convolutions. */
import type { Checkpoint } from '../checkpoint.js';

/** Names of the kernels, by the operators of an ONNX graph or the classes of a topology's layers. */
export function transposedKernels(checkpoint: Checkpoint): Set<string> {
  if (checkpoint.format === 'onnx') {
    const nodes = checkpoint.graph.nodes.filter(({ opType }) => opType === 'ConvTranspose');
    return new Set(nodes.map(({ inputs }) => inputs[1] ?? ''));
  }
  const layers = new Set<string>();
  collectTransposed(checkpoint.topology, layers);
  const names = checkpoint.weights.map(({ name }) => name);
  return new Set(names.filter((name) => name.split('/').some((step) => layers.has(step))));
}

function collectTransposed(value: unknown, found: Set<string>): void {
  if (typeof value !== 'object' || value === null) return;
  const { class_name: className, config } = value as { class_name?: unknown; config?: { name?: unknown } };
  if (/Transpose$/.test(String(className)) && typeof config?.name === 'string') found.add(config.name);
  for (const item of Object.values(value)) collectTransposed(item, found);
}
