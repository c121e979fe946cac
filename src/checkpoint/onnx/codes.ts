/** Writing kernels that are stored as integer codes: a pruned weight becomes the zero point, exactly. */
import type { CheckpointWeight, OnnxCheckpoint } from '../checkpoint.js';
import type { OnnxNode, OnnxTensor } from '../onnx-graph.js';
import { putElements } from './elements.js';
import {
  dequantized,
  type LinearQuantization,
  linearQuantization,
  quantized,
} from './linear-quantization.js';
import type { OnnxFile } from './reader.js';
import type { FieldEdits } from './rewrite.js';
import type { Initializer } from './sparse.js';
import { bytesOf } from './wire.js';

const CODE_ARRAYS = { int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array } as const;

type Graph = Pick<OnnxCheckpoint, 'graph' | 'weights'>;

function constantOf({ graph, weights }: Graph, name: string | undefined): OnnxTensor | null {
  if (name === undefined || name === '') return null;
  const integers = graph.constants.get(name);
  const weight = weights.find((each) => each.name === name);
  if (weight !== undefined) {
    return { shape: weight.shape, type: 'float', values: weight.values as Float32Array };
  }
  const value = graph.nodes
    .find(({ opType, outputs }) => opType === 'Constant' && outputs[0] === name)
    ?.attributes.get('value');
  return integers ?? (value?.kind === 'tensor' ? value.value : null);
}

/** The initialiser of codes that nothing but the node reads, and whose bytes are its own; null where that is not so. */
function ownCodes(
  { initializers, external }: OnnxFile,
  { graph }: Graph,
  node: OnnxNode,
): Initializer | null {
  const [name] = node.inputs;
  const found = initializers.find((each) => each.name === name);
  const readers = graph.nodes.flatMap(({ inputs }) => inputs).filter((each) => each === name).length;
  const isOutput = graph.outputs.some((output) => output.name === name);
  if (!found || found.sparse !== null || readers !== 1 || isOutput) return null;
  const range = external.ranges.get(found.head);
  const sharing = [...external.ranges.values()].filter(
    ({ file, start }) => file === range?.file && start === range.start,
  );
  return sharing.length > 1 ? null : found;
}

function quantizationOf(graph: Graph, node: OnnxNode): LinearQuantization | null {
  const scale = constantOf(graph, node.inputs[1]);
  const zeroPoint = constantOf(graph, node.inputs[2]);
  const isKnown = scale?.type === 'float' && (zeroPoint !== null || !node.inputs[2]);
  return isKnown ? linearQuantization(node, scale, zeroPoint) : null;
}

/**
 * Writes the values of a kernel into the codes that a DequantizeLinear node makes it of: codes of unchanged values
 * stay, a 0 becomes the zero point.
 *
 * @returns false where that is not exact, or not possible; then nothing is written
 */
export function putCodes(
  file: OnnxFile,
  graph: Graph,
  { name, values, shape }: CheckpointWeight,
  edits: FieldEdits,
): boolean {
  const node = graph.graph.nodes.find(({ outputs }) => outputs[0] === name);
  if (node?.opType !== 'DequantizeLinear' || node.domain !== '') return false;
  const initializer = ownCodes(file, graph, node);
  const old = constantOf(graph, node.inputs[0]);
  const quantization = quantizationOf(graph, node);
  if (initializer === null || old === null || quantization === null) return false;
  const { head } = initializer;
  if (!(head.type in CODE_ARRAYS) || !old.range) return false;
  const raw = bytesOf(file.source, head.message, 'rawData');
  if (head.external === null && (raw === null || raw.length === 0)) return false;
  const before = dequantized(old, quantization);
  const wanted = values as Float32Array;
  const fresh = quantized({ shape, type: 'float', values: wanted }, quantization, old.range);
  const codes = Float64Array.from(fresh.values, (code, i) =>
    wanted[i] === before[i] ? old.values[i]! : code,
  );
  const after = dequantized({ ...old, values: codes }, quantization);
  if (!after.every((value, i) => value === wanted[i])) return false;
  const stored = CODE_ARRAYS[head.type as keyof typeof CODE_ARRAYS].from(codes);
  putElements(file, head, new Uint8Array(stored.buffer), edits);
  return true;
}
