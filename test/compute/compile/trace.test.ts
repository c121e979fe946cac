import {
  add,
  concat,
  dispose,
  engine,
  exp,
  fill,
  mul,
  ones,
  type Rank,
  reshape,
  scalar,
  sum,
  type Tensor,
  tensor,
  valueAndGrads,
  zeros,
} from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../../src/compute/backend.js';
import type { Graph } from '../../../src/compute/compile/graph.js';
import { NotCompilableError, traceProgram, traceTemplate } from '../../../src/compute/compile/trace.js';
import { collect, numbered, type Program, type ProgramInputs } from '../../../src/compute/tensor-program.js';
import { exampleLosses } from '../../../src/network/loss.js';
import { weightTensors } from '../../../src/network/network.js';
import { batchProducts } from '../../../src/programs/curvature-products.js';
import { imageCases, mlpCase, sequenceCases } from '../../support/network-cases.js';
import { type ModelCase, type SeededProblem, withProblem } from '../../support/problems.js';
import { kernelsOf } from './support.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

/** Inputs of one tensor `x` [batch, 3]. */
function rows(batchSize: number): ProgramInputs {
  return { x: ones([batchSize, 3]) };
}

/** The graph of a program for a batch of two rows. */
function traced(program: Program): Graph {
  const inputs = rows(2);
  try {
    return traceProgram(program, inputs);
  } finally {
    dispose(inputs);
  }
}

const plain: Program = ({ x }) => ({ y: sum(mul(exp(x), add(x, 1)), 1) });

describe('tracing', () => {
  it('records kernels, shapes and constants, and frees every tensor', () => {
    const before = engine().memory().numTensors;
    const graph = traced(plain);
    expect(engine().memory().numTensors).toBe(before);
    expect(kernelsOf(graph).filter((kernel) => kernel !== 'Identity')).toEqual([
      'Exp',
      'Add',
      'Multiply',
      'Sum',
    ]);
    expect(graph.values.get(graph.outputs.y)).toEqual({ shape: [2], type: 'float32' });
    expect([...graph.constants.values()]).toEqual([{ kind: 'uniform', value: 1 }]);
  });

  it('records calls after what they read', () => {
    const graph = traced(({ x }) => {
      const { value, grads } = valueAndGrads((at: Tensor) => sum(exp(exp(at))))([x]);
      return { value, gradient: grads[0] };
    });
    const known = new Set([...Object.values(graph.inputs), ...graph.constants.keys()]);
    for (const node of graph.nodes) {
      for (const id of Object.values(node.inputs)) {
        expect(known).toContain(id);
      }
      for (const id of node.outputs) {
        known.add(id);
      }
    }
  });

  it('leaves the engine as it was, also after a program that fails', () => {
    const target = engine() as unknown as { runKernel: unknown };
    const runKernel = target.runKernel;
    const before = engine().memory().numTensors;
    expect(() =>
      traceTemplate(() => {
        throw new Error('no such program');
      }, rows),
    ).toThrow('no such program');
    expect(target.runKernel).toBe(runKernel);
    expect(engine().memory().numTensors).toBe(before);
  });
});

/** Weights and examples of a problem as inputs of a program. */
function inputsOf({ network, source }: SeededProblem): (batchSize: number) => ProgramInputs {
  return (batchSize) => ({
    ...numbered('w', weightTensors(network, network.weights)),
    ...numbered('v', weightTensors(network, network.weights)),
    x: tensor(source.inputs(0, batchSize), [batchSize, ...source.shape]),
    y: tensor(source.targets(0, batchSize), [batchSize, network.outputs]),
  });
}

function programs({ network, loss }: SeededProblem): Record<string, Program> {
  const count = network.prunable.length;
  const product =
    (kind: 'hessian' | 'ggn'): Program =>
    (inputs) => {
      const batch = {
        inputs: inputs.x,
        targets: reshape<Rank.R2>(inputs.y, [inputs.x.shape[0], network.outputs]),
        size: inputs.x.shape[0],
      };
      return numbered(
        'g',
        batchProducts[kind](
          network,
          loss,
          batch,
          collect(inputs, 'v', count),
        )(...collect(inputs, 'w', count)),
      );
    };
  return {
    forward: (inputs) => ({
      losses: exampleLosses(
        loss,
        network.logits(collect(inputs, 'w', count), inputs.x),
        reshape(inputs.y, [inputs.x.shape[0], network.outputs]),
      ),
    }),
    hessian: product('hessian'),
    ggn: product('ggn'),
  };
}

const named = (name: string): ModelCase => {
  const found = [...imageCases, ...sequenceCases].find((modelCase) => modelCase.name.startsWith(name));
  if (found === undefined) {
    throw new Error(`no case ${name}`);
  }
  return found;
};

describe('templates', () => {
  it.each([
    mlpCase('softplus'),
    mlpCase('gelu', 'mse'),
    named('residual block'),
    named('Concatenate'),
    named('MaxPooling2D into'),
    named('LayerNormalization'),
    named('GRU'),
  ])('from batches of 2 and 3 give the graph of a batch of 5: $name', async (modelCase) => {
    await withProblem(modelCase, { seed: 4 }, async (problem) => {
      const makeInputs = inputsOf(problem);
      for (const program of Object.values(programs(problem))) {
        const inferred = traceTemplate(program, makeInputs).instantiate(5);
        // Traced with five examples both times, nothing is left to infer.
        const traced = traceTemplate(program, () => makeInputs(5)).instantiate(2);
        expect(inferred).toEqual(traced);
      }
    });
  });

  it('keep attributes that are infinite', () => {
    const clipped: Program = ({ x }) => ({
      y: engine().runKernel(
        'ClipByValue',
        { x },
        { clipValueMin: 0, clipValueMax: Number.POSITIVE_INFINITY },
      ) as Tensor,
    });
    const { nodes } = traceTemplate(clipped, rows).instantiate(7);
    expect(nodes[0].attributes).toEqual({ clipValueMin: 0, clipValueMax: Number.POSITIVE_INFINITY });
  });

  it.each<[string, Program, RegExp]>([
    [
      'a number that depends on the batch size',
      ({ x }) => ({ y: mul(x, scalar(1 / x.shape[0])) }),
      /a constant that Multiply reads depends on the batch size/,
    ],
    [
      'data that depend on the batch size',
      ({ x }) => ({ y: mul(x, tensor(Array.from(Array(x.shape[0]).keys()), [x.shape[0], 1])) }),
      /a constant that \w+ reads depends on the batch size/,
    ],
    [
      'a structure that depends on the batch size',
      ({ x }) => ({ y: x.shape[0] === 2 ? exp(x) : exp(exp(x)) }),
      /not the same for every batch size/,
    ],
    [
      'a batch that is filled up to a fixed size, beyond that size',
      ({ x }) => ({ y: concat([x, zeros([4 - x.shape[0], 3])], 0) }),
      /not the same for every batch size/,
    ],
    [
      'an attribute that depends on the batch size in no linear way',
      ({ x }) => ({ y: sum(x, x.shape[0] === 2 ? [0] : [0, 1]) }),
      /an attribute depends on the batch size/,
    ],
  ])('are refused for %s', (_, program, message) => {
    const before = engine().memory().numTensors;
    const instantiate = () => traceTemplate(program, rows).instantiate(5);
    expect(instantiate).toThrow(NotCompilableError);
    expect(instantiate).toThrow(message);
    // Constants that the program itself makes are made inside its tidy.
    expect(engine().memory().numTensors).toBe(before);
  });

  it('accept constants whose shape alone depends on the batch size', () => {
    const filled: Program = ({ x }) => ({ y: mul(x, fill([x.shape[0], 3], 2)) });
    const graph = traceTemplate(filled, rows).instantiate(6);
    expect(graph.values.get(graph.outputs.y)?.shape).toEqual([6, 3]);
  });
});
