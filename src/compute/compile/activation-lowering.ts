import type { OnnxBuilder } from './builder.js';
import type { GraphNode } from './graph.js';
import { NotCompilableError } from './trace.js';

/** Emits the ONNX nodes of one traced kernel and returns the tensors of its outputs. */
export type Lowering = (node: GraphNode, builder: OnnxBuilder) => string[];

/** The activations that tfjs fuses into products and convolutions. */
export function activate(name: string, node: GraphNode, builder: OnnxBuilder): string {
  switch (node.attributes.activation ?? 'linear') {
    case 'linear':
      return name;
    case 'relu':
      return builder.add('Relu', [name]);
    case 'relu6':
      return builder.add('Clip', [name, builder.scalar(0), builder.scalar(6)]);
    case 'elu':
      return builder.add('Elu', [name]);
    case 'sigmoid':
      return builder.add('Sigmoid', [name]);
    case 'leakyrelu':
      return builder.add('LeakyRelu', [name], {
        alpha: { float: (node.attributes.leakyreluAlpha as number | undefined) ?? 0.2 },
      });
    default:
      throw new NotCompilableError(`${node.kernel} with fused activation ${node.attributes.activation}`);
  }
}
