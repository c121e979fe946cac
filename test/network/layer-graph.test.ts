import { describe, expect, it } from 'vitest';
import { checkLayerGraph } from '../../src/network/layer-graph.js';

type Reference = [string, number, number];

const layer = (name: string, ...calls: Reference[][]) => ({
  class_name: calls.length === 0 ? 'InputLayer' : 'Dense',
  name,
  config: { name },
  inbound_nodes: calls,
});

const model = (...layers: object[]) => ({
  class_name: 'Functional',
  name: 'net',
  config: { name: 'net', layers, input_layers: [['in', 0, 0]], output_layers: [['out', 0, 0]] },
  inbound_nodes: [] as unknown[],
});

const from = (name: string, call = 0): Reference => [name, call, 0];

describe('the calls between layers', () => {
  it('may stand in any order, share layers and take models', () => {
    checkLayerGraph(
      model(
        layer('out', [from('a', 1), from('inner', 1)]),
        layer('a', [from('in')], [from('b')]),
        layer('b', [from('a')]),
        layer('in'),
        { ...model(layer('in'), layer('out', [from('in')])), name: 'inner', inbound_nodes: [[from('b')]] },
      ),
    );
    checkLayerGraph({ class_name: 'Sequential', config: { layers: [layer('x', [from('nowhere')])] } });
  });

  it.each<[string, object[]]>([
    ['a layer that is not there', [layer('in'), layer('out', [from('gone')])]],
    ['a call that is not made', [layer('in'), layer('a', [from('in')]), layer('out', [from('a', 1)])]],
    ['a layer that is never called', [layer('in'), layer('a', []), layer('out', [from('a')])]],
    ['each other', [layer('in'), layer('a', [from('out')]), layer('out', [from('a')])]],
  ])('that take %s are refused', (_title, layers) => {
    for (const whole of [model(...layers), model(layer('in'), { ...model(...layers), name: 'inner' })]) {
      expect(() => checkLayerGraph(whole)).toThrow(
        /layer "(a|out)" takes an output of "\w+" that is never computed/,
      );
    }
  });

  it('are followed also where the outputs are not listed', () => {
    const whole = model(layer('in'), layer('out', [from('gone')]));
    (whole.config as { output_layers: unknown }).output_layers = true;
    expect(() => checkLayerGraph(whole)).toThrow(/"out" takes an output of "gone"/);
  });

  it('of absurdly many layers are refused', () => {
    const many = Array.from({ length: 10_001 }, (_, i) => layer(`l${i}`));
    expect(() => checkLayerGraph(model(...many))).toThrow(/has 10001 layers/);
  });
});
