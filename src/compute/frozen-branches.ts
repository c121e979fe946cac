import {
  add,
  engine,
  LeakyRelu,
  MaxPool,
  mul,
  Prelu,
  Relu,
  Relu6,
  step,
  sub,
  type Tensor,
  tidy,
} from '@tensorflow/tfjs-core';
import { MAX_POOL_GATHER } from './kernels.js';

/**
 * The decisions that piecewise linear operations (relu, max pooling, ...) took
 * during one run of a program, in the order in which they took them.
 *
 * Replaying them makes the program smooth around the point at which they were
 * recorded: a finite difference of it then sees the second derivative that
 * holds inside the piece, and none of the kinks between pieces, of which a
 * convolutional network has millions.
 */
export interface Branches {
  dispose(): void;
}

type Inputs = Record<string, Tensor>;
type RunKernel = (name: string, inputs: Inputs, attrs?: Record<string, unknown>) => Tensor;
type Replay = (inputs: Inputs, attrs?: Record<string, unknown>) => Tensor;

/** What is recorded of one operation: constants of a program that replays it. */
interface Decision {
  kernelName: string;
  constants: Tensor[];
  replay: Replay;
}

interface PatchableEngine {
  runKernel: RunKernel;
}

/** Pieces of x -> slope x + offset, by sign of x (and of x - 6). */
function decisionOf(name: string, inputs: Inputs, attrs: Record<string, unknown> = {}): Decision | null {
  const { x } = inputs;
  const decision = (constants: Tensor[], replay: Replay): Decision => ({
    kernelName: name,
    constants,
    replay,
  });
  switch (name) {
    case Relu: {
      const positive = step(x);
      return decision([positive], (at) => mul(at.x, positive));
    }
    case Relu6: {
      const above = step(sub(x, 6));
      const slope = sub(step(x), above);
      const offset = mul(above, 6);
      return decision([slope, offset], (at) => add(mul(at.x, slope), offset));
    }
    case LeakyRelu: {
      const slope = step(x, attrs.alpha as number);
      return decision([slope], (at) => mul(at.x, slope));
    }
    case Prelu: {
      const positive = step(x);
      const negative = sub(1, positive);
      return decision([positive, negative], (at) => mul(at.x, add(positive, mul(negative, at.alpha))));
    }
    case MaxPool: {
      const input = x.clone();
      return decision([input], (at) =>
        (engine() as unknown as PatchableEngine).runKernel(MAX_POOL_GATHER, { values: at.x, input }, attrs),
      );
    }
    default:
      return null;
  }
}

class RecordedBranches implements Branches {
  readonly decisions: Decision[] = [];

  dispose(): void {
    for (const { constants } of this.decisions) {
      for (const constant of constants) {
        constant.dispose();
      }
    }
    this.decisions.length = 0;
  }
}

async function withRunKernel<T>(
  wrap: (runKernel: RunKernel) => RunKernel,
  program: () => Promise<T>,
): Promise<T> {
  const target = engine() as unknown as PatchableEngine;
  const runKernel = target.runKernel;
  target.runKernel = wrap(runKernel.bind(target));
  try {
    return await program();
  } finally {
    target.runKernel = runKernel;
  }
}

/** Runs a program and records the branches it takes; the caller disposes of them. */
export async function recordBranches<T>(
  program: () => Promise<T>,
): Promise<{ result: T; branches: Branches }> {
  const branches = new RecordedBranches();
  try {
    const result = await withRunKernel(
      (runKernel) => (name, inputs, attrs) => {
        tidy(() => {
          const decision = decisionOf(name, inputs, attrs);
          if (decision !== null) {
            for (const constant of decision.constants) {
              engine().keep(constant);
            }
            branches.decisions.push(decision);
          }
        });
        return runKernel(name, inputs, attrs);
      },
      program,
    );
    return { result, branches };
  } catch (error) {
    branches.dispose();
    throw error;
  }
}

/**
 * Runs a program with every piecewise linear operation held in the piece that
 * was recorded.
 *
 * @throws Error when the program takes other operations than the recorded one
 */
export async function replayBranches<T>(branches: Branches, program: () => Promise<T>): Promise<T> {
  const { decisions } = branches as RecordedBranches;
  let position = 0;
  return withRunKernel(
    (runKernel) => (name, inputs, attrs) => {
      const decision = decisions[position];
      if (![Relu, Relu6, LeakyRelu, Prelu, MaxPool].includes(name)) {
        return runKernel(name, inputs, attrs);
      }
      if (decision?.kernelName !== name) {
        throw new Error(`the replayed program runs ${name} where ${decision?.kernelName} was recorded`);
      }
      position++;
      return decision.replay(inputs, attrs);
    },
    program,
  );
}
