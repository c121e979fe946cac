import { type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { traceProgram } from '../../../src/compute/compile/trace.js';
import type { Lifetimes } from '../../../src/compute/connectivity/lifetimes.js';
import { type Propagated, propagateLifetimes } from '../../../src/compute/connectivity/propagation.js';
import { type RandomStream, randomStream } from '../../../src/random.js';

/** A tensor operation over named operands. */
export type Operation = (operands: Record<string, Tensor>) => Tensor | Tensor[];

/** How many weights there are to remove in these tests: counts go from -1 to this. */
export const ALWAYS = 4;

type Shapes = Readonly<Record<string, readonly number[]>>;

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** Random lifetimes, a path never outliving what is not zero. */
function randomLifetimes(shape: readonly number[], random: RandomStream): Lifetimes {
  const nonZero = Int32Array.from({ length: sizeOf(shape) }, () => random.integer(ALWAYS + 2) - 1);
  const depends = nonZero.map((count) => Math.min(count, random.integer(ALWAYS + 2) - 1));
  return { depends, nonZero };
}

function named(results: Tensor | Tensor[]): Record<string, Tensor> {
  return Object.fromEntries([results].flat().map((result, index) => [`result${index}`, result]));
}

/** Traces an operation and propagates lifetimes through it. */
export function propagated(
  operation: Operation,
  shapes: Shapes,
  lifetimes: Readonly<Record<string, Lifetimes>>,
): Propagated {
  return tidy(() => {
    const operands = Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => [
        name,
        tensor(
          Float32Array.from({ length: sizeOf(shape) }, (_, i) => 1 + (i % 3)),
          [...shape],
          'float32',
        ),
      ]),
    );
    const graph = traceProgram((inputs) => named(operation(inputs)), operands);
    return propagateLifetimes(graph, lifetimes, ALWAYS) as never;
  }) as never;
}

/** Numbers of an operation's results with the given numbers as operands. */
function computed(operation: Operation, shapes: Shapes, data: Record<string, Float32Array>): Float32Array[] {
  return tidy(() => {
    const operands = Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => [name, tensor(data[name], [...shape], 'float32')]),
    );
    return [operation(operands)].flat().map((result) => Float32Array.from(result.dataSync())) as never;
  }) as never;
}

function countsOf(lifetimes: Lifetimes, kind: keyof Lifetimes): Int32Array {
  return lifetimes[kind] ?? new Int32Array(lifetimes.nonZero.length).fill(-1);
}

/**
 * Compares lifetimes that pass through an operation with what the operation
 * computes, one removed weight after another: what is zero gets 0, everything
 * else a random number of 0.5 to 1.5; what hangs on the input then grows by 2
 * to 3. A result hangs on the input if it changes, and is not zero if it is not 0.
 */
export function expectAsComputed(operation: Operation, shapes: Shapes, seed: number): void {
  const random = randomStream(seed, 'lifetimes');
  const lifetimes = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, randomLifetimes(shape, random)]),
  );
  const { outputs, unknownKernels } = propagated(operation, shapes, lifetimes);
  expect(unknownKernels).toEqual([]);
  for (let removed = 0; removed <= ALWAYS; removed++) {
    const base: Record<string, Float32Array> = {};
    const moved: Record<string, Float32Array> = {};
    for (const [name, { depends, nonZero }] of Object.entries(lifetimes)) {
      base[name] = Float32Array.from(nonZero, (count) => (count >= removed ? 0.5 + random.uniform() : 0));
      moved[name] = base[name].map((value, i) =>
        (depends as Int32Array)[i] >= removed ? value + 2 + random.uniform() : value,
      );
    }
    const before = computed(operation, shapes, base);
    const after = computed(operation, shapes, moved);
    before.forEach((values, index) => {
      const result = outputs[`result${index}`];
      const holds = (kind: keyof Lifetimes): boolean[] =>
        Array.from(countsOf(result, kind), (count) => count >= removed);
      expect(holds('nonZero')).toEqual(Array.from(values, (value) => value !== 0));
      expect(holds('depends')).toEqual(Array.from(values, (value, i) => !Object.is(value, after[index][i])));
    });
  }
}
