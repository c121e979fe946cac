import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import {
  moveProducerBeforeReaders,
  type OrderedTapeNode,
  repairNestedGradients,
} from '../../src/compute/engine-repairs.js';
import { expectClose, relativeError } from '../support/vectors.js';

interface NamedNode extends OrderedTapeNode {
  name: string;
}

/** A tape node that reads and makes tensors of the given ids. */
function node(name: string, reads: number[], makes: number[]): NamedNode {
  const tensorOf = (id: number): tf.Tensor => ({ id }) as tf.Tensor;
  return {
    name,
    inputs: Object.fromEntries(reads.map((id) => [`input${id}`, tensorOf(id)])),
    outputs: makes.map(tensorOf),
  };
}

function orderAfterMove(tape: NamedNode[]): string[] {
  moveProducerBeforeReaders(tape);
  return tape.map(({ name }) => name);
}

describe('the tape is put into execution order', () => {
  it('a clone recorded before its producer moves behind it', () => {
    const tape = [node('dense', [1], [2]), node('clone', [3], [4]), node('tanh', [2], [3])];
    expect(orderAfterMove(tape)).toEqual(['dense', 'tanh', 'clone']);
  });

  it('several clones of several outputs keep their own order', () => {
    const tape = [
      node('a', [1], [2]),
      node('clone 1', [3], [5]),
      node('clone 2', [4], [6]),
      node('split', [2], [3, 4]),
    ];
    expect(orderAfterMove(tape)).toEqual(['a', 'split', 'clone 1', 'clone 2']);
  });

  it('clones of inputs, recorded before the producer and read by it, stay where they are', () => {
    const tape = [node('clone of x', [1], [2]), node('square', [1], [3])];
    expect(orderAfterMove(tape)).toEqual(['clone of x', 'square']);
  });

  it('a tape in order, and one with a single node, are left alone', () => {
    expect(orderAfterMove([node('a', [1], [2]), node('b', [2], [3])])).toEqual(['a', 'b']);
    expect(orderAfterMove([node('a', [1], [2])])).toEqual(['a']);
  });

  it('every reader ends up behind its producer', () => {
    const tape: NamedNode[] = [];
    const recorded = [
      node('clone of exp', [2], [3]),
      node('exp', [1], [2]),
      node('clone of tanh', [4], [5]),
      node('tanh', [2], [4]),
      node('mul', [4, 2], [6]),
    ];
    for (const entry of recorded) {
      tape.push(entry);
      moveProducerBeforeReaders(tape);
    }
    tape.forEach((entry, position) => {
      const madeLater = new Set(tape.slice(position).flatMap(({ outputs }) => outputs.map(({ id }) => id)));
      for (const { id } of Object.values(entry.inputs)) {
        expect(madeLater.has(id), `${entry.name} reads ${id}`).toBe(false);
      }
    });
  });
});

describe('the engine of tfjs', () => {
  const points = [-1.3, -0.2, 0.4, 1.1];
  const secondDerivative = (f: (x: tf.Tensor) => tf.Tensor): Float32Array =>
    tf.tidy(
      () =>
        tf
          .grad((x) => tf.grad((at) => tf.sum(f(at)))(x))(tf.tensor1d(points))
          .dataSync() as Float32Array,
    );
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
  const slope = (y: number): number => y * (1 - y);
  /** Operations whose gradient uses their output, and the second derivative of x f(x). */
  const outputSavers = {
    tanh: {
      f: tf.tanh,
      expected: (x: number) => 2 * (1 - x * Math.tanh(x)) * (1 - Math.tanh(x) ** 2),
    },
    sigmoid: {
      f: tf.sigmoid,
      expected: (x: number) => slope(sigmoid(x)) * (2 + x * (1 - 2 * sigmoid(x))),
    },
    exp: { f: tf.exp, expected: (x: number) => (2 + x) * Math.exp(x) },
  };

  it('has wrong second derivatives before the repair and right ones after it', async () => {
    await import('@tensorflow/tfjs-layers');
    await import('@tensorflow/tfjs-backend-cpu');
    await tf.setBackend('cpu');
    for (const { f, expected } of Object.values(outputSavers)) {
      expect(
        relativeError(
          secondDerivative((x) => tf.mul(x, f(x))),
          points.map(expected),
        ),
      ).toBeGreaterThan(0.1);
    }
    expect(() => secondDerivative(tf.tanh)).toThrow(/gradient/);
    repairNestedGradients();
    repairNestedGradients();
    for (const [name, { f, expected }] of Object.entries(outputSavers)) {
      expectClose(
        secondDerivative((x) => tf.mul(x, f(x))),
        points.map(expected),
        1e-5,
        { label: name },
      );
    }
    expectClose(secondDerivative(tf.exp), points.map(Math.exp), 1e-5, { label: 'exp' });
  });

  it('normalises a batch without scale and offset inside a gradient', () => {
    repairNestedGradients();
    const gradient = tf.grad((x) =>
      tf.sum(tf.batchNorm(x as tf.Tensor4D, tf.tensor1d([0.5]), tf.tensor1d([4]), undefined, undefined, 0)),
    )(tf.ones([1, 2, 1, 1]));
    expectClose(gradient.dataSync(), [0.5, 0.5], 1e-6);
  });

  it('keeps nothing of a gradient that throws, and computes the next one right', () => {
    repairNestedGradients();
    const x = tf.tensor1d(points);
    const before = tf.memory().numTensors;
    const failing = tf.customGrad((at) => ({
      value: tf.square(at as tf.Tensor),
      gradFunc: () => {
        throw new Error('no gradient');
      },
    }));
    const f = (at: tf.Tensor): tf.Tensor => tf.sum(failing(tf.tanh(tf.exp(at))));
    expect(() => tf.grad(f)(x)).toThrow('no gradient');
    expect(() => tf.grad((at) => tf.sum(tf.grad(f)(at)))(x)).toThrow('no gradient');
    expect(tf.memory().numTensors).toBe(before);
    const gradient = tf.grad((at) => tf.sum(tf.square(at)))(x);
    expectClose(
      gradient.dataSync(),
      points.map((value) => 2 * value),
      1e-6,
    );
    tf.dispose([x, gradient]);
  });
});
