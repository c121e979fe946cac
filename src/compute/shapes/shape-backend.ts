/** A tfjs backend that knows of every tensor nothing but its shape: programs are traced on it, which computes nothing. */
import {
  type DataType,
  engine,
  getKernelsForBackend,
  type KernelBackend,
  library,
  registerKernel,
  type TensorInfo,
} from '../../tfjs-core.js';
import { kernelShapes, type ShapedOutput, type ShapeRule } from './kernel-shapes.js';

const NAME = 'prune-limit-shapes';

/** A program cannot be followed by shapes alone: it reads numbers, or calls a kernel whose shapes are not known. */
export class ShapesUnknownError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ShapesUnknownError';
  }
}

/** The parts of the tfjs engine that say which backend is the current one. */
interface CurrentBackend {
  registry: Record<string, KernelBackend>;
  backendName: string | null;
  backendInstance: KernelBackend | null;
}

type Values = Parameters<KernelBackend['write']>[0];

interface Held {
  /** Null where they were never computed. */
  values: Values | null;
  references: number;
}

/** Holds the numbers of tensors that were made of numbers, and none of those that a kernel gives. */
class ShapeBackend extends library.KernelBackend {
  private readonly held = new Map<object, Held>();
  /** Why shapes did not suffice, whatever the program made of that error; null: they did so far. */
  unknown: ShapesUnknownError | null = null;

  giveUp(message: string): never {
    this.unknown ??= new ShapesUnknownError(message);
    throw this.unknown;
  }

  override write(values: Values | null): object {
    const dataId = {};
    this.held.set(dataId, { values, references: 1 });
    return dataId;
  }

  override move(
    dataId: object,
    values: Values,
    _shape: number[],
    _dtype: DataType,
    references: number,
  ): void {
    this.held.set(dataId, { values, references });
  }

  override readSync(dataId: object): Values {
    const values = this.held.get(dataId)?.values;
    if (!values) {
      return this.giveUp('the program depends on numbers that it computes');
    }
    return values;
  }

  override async read(dataId: object): Promise<Values> {
    return this.readSync(dataId);
  }

  override refCount(dataId: object): number {
    return this.held.get(dataId)?.references ?? 0;
  }

  override incRef(dataId: object): void {
    const held = this.held.get(dataId);
    if (held !== undefined) {
      held.references++;
    }
  }

  override disposeData(dataId: object, force = false): boolean {
    const held = this.held.get(dataId);
    if (held !== undefined && --held.references > 0 && !force) {
      return false;
    }
    this.held.delete(dataId);
    return true;
  }

  override numDataIds(): number {
    return this.held.size;
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override dispose(): void {
    this.held.clear();
  }
}

function shapeKernel(rule: ShapeRule) {
  return (call: {
    inputs: Record<string, TensorInfo | undefined>;
    attrs?: object;
    backend: unknown;
  }): TensorInfo | TensorInfo[] => {
    const { inputs, attrs = {}, backend } = call;
    const made = ({ shape, dtype }: ShapedOutput): TensorInfo => ({
      dataId: (backend as ShapeBackend).write(null),
      shape: [...shape],
      dtype,
    });
    const result = rule({ inputs: inputs as never, attributes: attrs as Record<string, unknown> });
    return Array.isArray(result) ? result.map(made) : made(result);
  };
}

/** Backends whose kernels have one here: registrations outlive backends. */
const followed = new Set<string>();

/** Registers a kernel for every rule, and for every other kernel of the current backend one that gives up. */
function registerKernels(current: string): void {
  if (followed.has(current)) {
    return;
  }
  followed.add(current);
  const present = new Set(getKernelsForBackend(NAME).map(({ kernelName }) => kernelName));
  for (const [kernelName, rule] of Object.entries(kernelShapes)) {
    if (!present.has(kernelName)) {
      registerKernel({ kernelName, backendName: NAME, kernelFunc: shapeKernel(rule) as never });
    }
  }
  for (const { kernelName } of getKernelsForBackend(current)) {
    if (kernelShapes[kernelName] === undefined && !present.has(kernelName)) {
      const kernelFunc = ({ backend }: { backend: unknown }): never =>
        (backend as ShapeBackend).giveUp(`the shapes that ${kernelName} gives are not known`);
      registerKernel({ kernelName, backendName: NAME, kernelFunc });
    }
  }
}

/**
 * Runs what makes tensors and calls operations with a backend that gives results their shapes and computes nothing:
 * no time, and no memory but that of tensors made of numbers. Those that stay move to the usual backend when that
 * reads them.
 *
 * @throws ShapesUnknownError where shapes do not suffice
 */
export function withShapesAlone<Result>(run: () => Result): Result {
  const holder = engine() as unknown as CurrentBackend;
  const { backendName, backendInstance } = holder;
  if (backendName === NAME || backendName === null) {
    return run();
  }
  registerKernels(backendName);
  holder.registry[NAME] ??= new ShapeBackend();
  const backend = holder.registry[NAME] as ShapeBackend;
  backend.unknown = null;
  holder.backendName = NAME;
  holder.backendInstance = backend;
  try {
    return run();
  } catch (error) {
    throw backend.unknown ?? error;
  } finally {
    holder.backendName = backendName;
    holder.backendInstance = backendInstance;
  }
}

/** {@link withShapesAlone} where shapes suffice, else the same on the current backend, which computes. */
export function byShapesOrNumbers<Result>(run: () => Result): Result {
  try {
    return withShapesAlone(run);
  } catch (error) {
    if (!(error instanceof ShapesUnknownError)) {
      throw error;
    }
    return run();
  }
}
