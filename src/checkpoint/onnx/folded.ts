/** Writing kernels that nodes compute from constants: a Constant node takes the place of the one that computed them. */
import { ONNX_ATTRIBUTE_TYPES, ONNX_TYPES, onnxSchema } from '../../onnx-schema.js';
import { type CheckpointWeight, elementCount, type OnnxCheckpoint } from '../checkpoint.js';
import type { OnnxNode } from '../onnx-graph.js';
import { requireFinite } from '../quantization.js';
import { putCodes } from './codes.js';
import { changedElements } from './elements.js';
import type { OnnxFile } from './reader.js';
import { encodeField, type FieldEdits } from './rewrite.js';
import { ELEMENT_RULES, type ElementType } from './tensors.js';
import { textOf, textsOf } from './wire.js';

/** The element type of a value that follows from constants: operators keep it, but for casts. */
function elementTypeOf({ initializers }: OnnxFile, nodes: readonly OnnxNode[], name: string): ElementType {
  const stored = new Map(initializers.map(({ name: each, head }) => [each, head.type]));
  const made = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const waiting = [name];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const type = stored.get(next);
    const node = made.get(next);
    const to = node?.opType === 'Cast' ? node.attributes.get('to') : undefined;
    const number = to?.kind === 'int' ? to.value : null;
    const cast = Object.entries(ONNX_TYPES).find(([, each]) => each === number)?.[0] as
      | ElementType
      | undefined;
    const found = type ?? cast;
    if (found !== undefined && ELEMENT_RULES[found].kind === 'float') return found;
    if (found === undefined) waiting.push(...[...(node?.inputs ?? [])].reverse());
  }
  return 'float32';
}

function constantNode(name: string, { shape }: CheckpointWeight, type: ElementType, bytes: Uint8Array) {
  const content = onnxSchema
    .lookupType('Node')
    .encode({
      opType: 'Constant',
      output: [name],
      attribute: [
        {
          name: 'value',
          type: ONNX_ATTRIBUTE_TYPES.tensor,
          t: { dims: [...shape], dataType: ONNX_TYPES[type], rawData: bytes },
        },
      ],
    })
    .finish();
  return encodeField('Graph', 'node', [content]);
}

/**
 * Writes the values of `folded`: as codes where the file has them so and can, else as Constant nodes in the place of
 * the nodes that compute them. What these nodes read stays in the file.
 *
 * @throws InputError `checkpoint/not-representable` for a value that the element type of the node's result does not
 *   have, `checkpoint/non-finite-weight`
 */
export function replaceFolded(
  file: OnnxFile,
  checkpoint: Pick<OnnxCheckpoint, 'graph' | 'weights' | 'folded'>,
  edits: FieldEdits,
): void {
  const { source } = file;
  const { nodes } = checkpoint.graph;
  const waiting = new Map((checkpoint.folded ?? []).map((weight) => [weight.name, weight]));
  for (const weight of waiting.values()) {
    if (putCodes(file, checkpoint, weight, edits)) waiting.delete(weight.name);
  }
  for (const field of file.graph.fields) {
    if (field.name !== 'node') continue;
    const outputs = textsOf(source, field.message!, 'output').filter((name) => name !== '');
    if (!outputs.some((name) => waiting.has(name))) continue;
    const content = outputs.flatMap((name) => {
      const weight = waiting.get(name);
      // The network folds all results of a node or none: anything else is a defect of ours.
      if (weight === undefined) {
        throw new Error(`not all results of ${textOf(source, field.message!, 'opType')} are folded`);
      }
      waiting.delete(name);
      requireFinite(weight, source.path);
      const type = elementTypeOf(file, nodes, name);
      const zeros = new Uint8Array(elementCount(weight.shape) * ELEMENT_RULES[type].bytes);
      return constantNode(name, weight, type, changedElements(zeros, type, weight, source.path) ?? zeros);
    });
    edits.set(field, content);
  }
  if (waiting.size > 0) throw new Error(`no node of the file computes ${[...waiting.keys()]}`);
}
