import {
  Abs,
  add,
  backend_util,
  ClipByValue,
  cast,
  div,
  Elu,
  engine,
  equal,
  exp,
  LeakyRelu,
  Max,
  Maximum,
  MaxPool,
  Min,
  Minimum,
  mul,
  Prelu,
  Relu,
  Relu6,
  reshape,
  Selu,
  step,
  sub,
  sum,
  type Tensor,
  tidy,
  util,
} from '../tfjs-core.js';
import { MAX_POOL_GATHER } from './kernels.js';

/**
 * The decisions that piecewise smooth operations (relu, max pooling, ...) took
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
type Attributes = Record<string, unknown>;
type RunKernel = (name: string, inputs: Inputs, attrs?: Attributes) => Tensor;

/** What is recorded of one operation: constants of a program that replays it. */
interface Decision {
  constants: Tensor[];
  replay: (inputs: Inputs, attrs?: Attributes) => Tensor;
}

/** Makes a decision from an operation's inputs; `output` runs the operation itself. */
type Decide = (inputs: Inputs, attrs: Attributes, output: () => Tensor) => Decision;

interface RecordedDecision extends Decision {
  kernelName: string;
}

interface PatchableEngine {
  /** How many operations the engine is inside of. */
  state: { kernelDepth: number };
  runKernel: RunKernel;
}

function floatEqual(left: Tensor, right: Tensor): Tensor {
  return cast(equal(left, right), 'float32');
}

/** An operation that is x -> slope x + offset in every piece. */
function affine(slope: Tensor, x: Tensor, output: Tensor): Decision {
  const offset = sub(output, mul(slope, x));
  return { constants: [slope, offset], replay: (at) => add(mul(at.x, slope), offset) };
}

/** An operation that is x -> scale x for positive x, and x -> scaleAlpha (exp x - 1) for others. */
function exponentialUnit(x: Tensor, scale: number, scaleAlpha: number): Decision {
  const positive = step(x);
  const negative = sub(1, positive);
  return {
    constants: [positive, negative],
    replay: (at) =>
      add(mul(mul(at.x, positive), scale), mul(mul(sub(exp(mul(at.x, negative)), 1), negative), scaleAlpha)),
  };
}

/** Maximum or minimum over axes, as a mean over the positions that attain it. */
const reduceExtreme: Decide = ({ x }, attrs, output) => {
  // tfjs names the axes of a maximum and of a minimum differently.
  const axes = util.parseAxisParam((attrs.reductionIndices ?? attrs.axis) as number[], x.shape);
  const keptShape = x.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
  const attained = floatEqual(x, reshape(output(), keptShape));
  const share = div(attained, sum(attained, axes, true));
  return { constants: [share], replay: (at) => sum(mul(at.x, share), axes, attrs.keepDims as boolean) };
};

/** Larger or smaller of two tensors. */
const chooseOperand: Decide = ({ a }, _attrs, output) => {
  const first = floatEqual(a, output());
  const second = sub(1, first);
  return { constants: [first, second], replay: (at) => add(mul(at.a, first), mul(at.b, second)) };
};

const DECISIONS: Record<string, Decide> = {
  [Relu]: ({ x }, _attrs, output) => affine(step(x), x, output()),
  [Relu6]: ({ x }, _attrs, output) => affine(sub(step(x), step(sub(x, 6))), x, output()),
  [LeakyRelu]: ({ x }, attrs, output) => affine(step(x, attrs.alpha as number), x, output()),
  [Abs]: ({ x }, _attrs, output) => affine(step(x, -1), x, output()),
  [ClipByValue]: ({ x }, _attrs, output) => {
    const clipped = output();
    return affine(floatEqual(x, clipped), x, clipped);
  },
  [Elu]: ({ x }) => exponentialUnit(x, 1, 1),
  [Selu]: ({ x }) => exponentialUnit(x, backend_util.SELU_SCALE, backend_util.SELU_SCALEALPHA),
  [Prelu]: ({ x }) => {
    const positive = step(x);
    const negative = sub(1, positive);
    return {
      constants: [positive, negative],
      replay: (at) => mul(at.x, add(positive, mul(negative, at.alpha))),
    };
  },
  [Maximum]: chooseOperand,
  [Minimum]: chooseOperand,
  [Max]: reduceExtreme,
  [Min]: reduceExtreme,
  [MaxPool]: ({ x }) => {
    const input = x.clone();
    return {
      constants: [input],
      replay: (at, attrs) =>
        (engine() as unknown as PatchableEngine).runKernel(MAX_POOL_GATHER, { values: at.x, input }, attrs),
    };
  },
};

/**
 * Whether a kernel call is a branch of its program. One that runs inside an
 * operation with a gradient of its own is not: no derivative flows through it,
 * and the maximum that a logarithm of exponentials subtracts against overflow
 * would itself overflow if it were held at an element that is no longer the
 * largest.
 */
function isBranch(name: string): boolean {
  return Object.hasOwn(DECISIONS, name) && (engine() as unknown as PatchableEngine).state.kernelDepth === 0;
}

class RecordedBranches implements Branches {
  readonly decisions: RecordedDecision[] = [];

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
      (runKernel) =>
        (name, inputs, attrs = {}) => {
          if (isBranch(name)) {
            tidy(() => {
              const decision = DECISIONS[name](inputs, attrs, () => runKernel(name, inputs, attrs));
              for (const constant of decision.constants) {
                engine().keep(constant);
              }
              branches.decisions.push({ kernelName: name, ...decision });
            });
          }
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
 * Runs a program with every piecewise smooth operation held in the piece that
 * was recorded.
 *
 * @throws Error when the program takes other operations than the recorded one
 */
export async function replayBranches<T>(branches: Branches, program: () => Promise<T>): Promise<T> {
  const { decisions } = branches as RecordedBranches;
  let position = 0;
  return withRunKernel(
    (runKernel) =>
      (name, inputs, attrs = {}) => {
        if (!isBranch(name)) {
          return runKernel(name, inputs, attrs);
        }
        const decision = decisions[position];
        if (decision?.kernelName !== name) {
          throw new Error(`the replayed program runs ${name} where ${decision?.kernelName} was recorded`);
        }
        position++;
        return decision.replay(inputs, attrs);
      },
    program,
  );
}
