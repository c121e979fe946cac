import { describe, expect, it } from 'vitest';
import type { Graph } from '../../../src/compute/compile/graph.js';
import { separateFused } from '../../../src/compute/compile/separate-fused.js';
import { NotCompilableError } from '../../../src/compute/compile/trace.js';
import { graphOf, kernelsOf } from './support.js';

const geometry = { strides: [1, 1], pad: 'valid', dataFormat: 'NHWC', dilations: [1, 1] };

function fusedConvolution(attributes: Record<string, unknown>, extra: Record<string, string> = {}): Graph {
  return graphOf({
    values: { x: [2, 5, 4, 3], f: [3, 3, 3, 6], bias: [6], y: [2, 3, 2, 6] },
    inputs: ['x', 'f', 'bias'],
    nodes: [
      {
        kernel: 'FusedConv2D',
        inputs: { x: 'x', filter: 'f', ...extra },
        outputs: ['y'],
        attributes: { ...geometry, ...attributes },
      },
    ],
    outputs: ['y'],
  });
}

describe('separateFused', () => {
  it('writes bias and activation as kernels that read one another', () => {
    const fused = fusedConvolution({ activation: 'relu' }, { bias: 'bias' });
    const graph = separateFused(fused);
    expect(kernelsOf(graph)).toEqual(['Conv2D', 'Add', 'Relu']);
    const [convolution, sum, relu] = graph.nodes;
    expect(convolution).toMatchObject({ inputs: { x: 0, filter: 1 }, attributes: geometry });
    expect(convolution.attributes).not.toHaveProperty('activation');
    expect(sum.inputs).toEqual({ a: convolution.outputs[0], b: 2 });
    expect(relu.inputs).toEqual({ x: sum.outputs[0] });
    expect(relu.outputs).toEqual(fused.nodes[0].outputs);
    expect(graph.values.get(sum.outputs[0])?.shape).toEqual([2, 3, 2, 6]);
  });

  it.each([
    ['linear', ['Conv2D']],
    ['relu6', ['Conv2D', 'Relu6']],
    ['elu', ['Conv2D', 'Elu']],
    ['sigmoid', ['Conv2D', 'Sigmoid']],
  ])('activation %s', (activation, kernels) => {
    const graph = separateFused(fusedConvolution({ activation }));
    expect(kernelsOf(graph)).toEqual(kernels);
    expect(graph.nodes.at(-1)?.outputs).toEqual([graph.outputs.y]);
  });

  it('writes a normalisation as a product and a sum for each channel', () => {
    const normalized = (inputs: Record<string, string>): Graph =>
      graphOf({
        values: { x: [2, 5, 4, 3], m: [3], v: [3], s: [3], o: [3], y: [2, 5, 4, 3] },
        inputs: ['x', 'm', 'v', 's', 'o'],
        nodes: [
          {
            kernel: 'FusedBatchNorm',
            inputs: { x: 'x', mean: 'm', variance: 'v', ...inputs },
            outputs: ['y'],
            attributes: { varianceEpsilon: 1e-3 },
          },
        ],
        outputs: ['y'],
      });
    const given: Record<string, string>[] = [{}, { scale: 's', offset: 'o' }];
    for (const inputs of given) {
      const graph = separateFused(normalized(inputs));
      expect(kernelsOf(graph)).toEqual(['Add', 'Sqrt', 'RealDiv', 'Multiply', 'Sub', 'Multiply', 'Add']);
      const large = graph.nodes.filter(({ outputs }) => graph.values.get(outputs[0])?.shape.length === 4);
      expect(large.map(({ kernel }) => kernel)).toEqual(['Multiply', 'Add']);
    }
  });

  it('keeps the slope of leaky relu', () => {
    const slope = (attributes: Record<string, unknown>) =>
      separateFused(fusedConvolution({ activation: 'leakyrelu', ...attributes })).nodes[1].attributes.alpha;
    expect([slope({ leakyreluAlpha: 0.3 }), slope({})]).toEqual([0.3, 0.2]);
  });

  it('takes depthwise convolutions and products, and leaves other kernels', () => {
    const graph = separateFused(
      graphOf({
        values: { a: [1, 2, 3], b: [1, 4, 3], bias: [4], y: [1, 2, 4], z: [1, 2, 4] },
        inputs: ['a', 'b', 'bias'],
        nodes: [
          {
            kernel: '_FusedMatMul',
            inputs: { a: 'a', b: 'b', bias: 'bias' },
            outputs: ['y'],
            attributes: { transposeA: false, transposeB: true, activation: 'linear' },
          },
          { kernel: 'Tanh', inputs: { x: 'y' }, outputs: ['z'] },
        ],
        outputs: ['z'],
      }),
    );
    expect(kernelsOf(graph)).toEqual(['BatchMatMul', 'Add', 'Tanh']);
    expect(graph.nodes[0].attributes).toEqual({ transposeA: false, transposeB: true });
    const fused = fusedConvolution({});
    const depthwise = { ...fused, nodes: [{ ...fused.nodes[0], kernel: 'FusedDepthwiseConv2D' }] };
    expect(kernelsOf(separateFused(depthwise))).toEqual(['DepthwiseConv2dNative']);
  });

  it('names an activation that it does not know', () => {
    const separated = () => separateFused(fusedConvolution({ activation: 'prelu' }));
    expect(separated).toThrow(NotCompilableError);
    expect(separated).toThrow('FusedConv2D with fused activation prelu');
  });
});
