/**
 * Two WebAssembly SIMD loops over float32 vectors, assembled here from their
 * instructions: four lanes at a time, two targets for every load of a basis
 * vector. Scalar JavaScript needs about eight times as long.
 *
 * Encoding: WebAssembly Core Specification 2.0, section 5 (binary format).
 */

/** What is used of the engine's WebAssembly; the type library of Node does not declare it. */
interface WebAssemblyEngine {
  Memory: new (limits: { initial: number; maximum: number }) => KernelMemory;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: unknown };
}

/** Linear memory in pages of {@link PAGE_BYTES}. Growing detaches earlier buffers. */
export interface KernelMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** The loops; arguments are byte addresses in the memory and byte counts, multiples of {@link KERNEL_BYTES}. */
export interface SimdKernels {
  readonly memory: KernelMemory;
  /**
   * Inner products of four vectors (the first at `base`, the others `stride`
   * apart) with `x` and `y`: writes, for every vector, four partial sums of
   * the product with x and four of that with y at `out` (32 floats).
   */
  project(base: number, stride: number, x: number, y: number, bytes: number, out: number): void;
  /**
   * x += sum_k a_k v_k and y += sum_k b_k v_k over four vectors;
   * `coefficients` holds a_0, b_0, a_1, b_1, ..
   */
  combine(base: number, stride: number, x: number, y: number, bytes: number, coefficients: number): void;
}

export const PAGE_BYTES = 65536;

const UNROLLED = 4;

/** What the loops take at a time. */
export const KERNEL_BYTES = 16 * UNROLLED;

const VECTORS = 4;
const TYPE = { i32: 0x7f, v128: 0x7b } as const;
const BLOCK_WITHOUT_RESULT = 0x40;
const ALIGNED = { lane: 2, vector: 4 } as const;

/** Locals after the six parameters base, stride, x, y, bytes, other. */
const LOCAL = {
  base: 0,
  stride: 1,
  x: 2,
  y: 3,
  bytes: 4,
  other: 5,
  at: 6,
  firstPointer: 6,
  values: 10,
  a: 18,
  b: 19,
};
const VECTOR = 20;

const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const constant = (value: number): number[] => [
  0x41,
  ...(value < 64 ? [value] : [(value & 127) | 128, value >> 7]),
];
const END = 0x0b;
const ADD = [0x6a];
const LESS_UNSIGNED = [0x49];
const FLOAT_ADD = [0xfd, 0xe4, 0x01];
const FLOAT_MULTIPLY = [0xfd, 0xe6, 0x01];
const load = (offset: number): number[] => [0xfd, 0x00, ALIGNED.vector, ...unsigned(offset)];
const loadSplat = (offset: number): number[] => [0xfd, 0x09, ALIGNED.lane, ...unsigned(offset)];
const store = (offset: number): number[] => [0xfd, 0x0b, ALIGNED.vector, ...unsigned(offset)];
const address = (local: number): number[] => [...get(local), ...get(LOCAL.at), ...ADD];

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >> 7)];
}

function sized(content: readonly number[]): number[] {
  return [...unsigned(content.length), ...content];
}

function list(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function text(value: string): number[] {
  return sized([...new TextEncoder().encode(value)]);
}

function forVectors(code: (vector: number, pointer: number) => number[]): number[] {
  return Array.from({ length: VECTORS }, (_, k) =>
    code(k, k === 0 ? LOCAL.base : LOCAL.firstPointer + k),
  ).flat();
}

/** A loop over `bytes`, unrolled, with a pointer to each of the four basis vectors. */
function loopOver(before: number[], body: (offset: number) => number[], after: number[]): number[] {
  const pointers = [1, 2, 3].flatMap((k) => [
    ...get(k === 1 ? LOCAL.base : LOCAL.firstPointer + k - 1),
    ...get(LOCAL.stride),
    ...ADD,
    ...set(LOCAL.firstPointer + k),
  ]);
  const round = Array.from({ length: UNROLLED }, (_, n) => [
    ...[...address(LOCAL.x), ...load(16 * n), ...set(LOCAL.a)],
    ...[...address(LOCAL.y), ...load(16 * n), ...set(LOCAL.b)],
    ...body(16 * n),
  ]).flat();
  const loop = [
    ...[0x03, BLOCK_WITHOUT_RESULT],
    ...round,
    ...[...get(LOCAL.at), ...constant(KERNEL_BYTES), ...ADD, ...set(LOCAL.at)],
    ...[...get(LOCAL.at), ...get(LOCAL.bytes), ...LESS_UNSIGNED, 0x0d, 0],
    END,
  ];
  const locals = list([
    [4, TYPE.i32],
    [11, TYPE.v128],
  ]);
  return sized([...locals, ...pointers, ...before, ...loop, ...after, END]);
}

const multiplyAdd = (sum: number, factor: number, other: number): number[] => [
  ...get(sum),
  ...[...get(factor), ...get(other), ...FLOAT_MULTIPLY],
  ...FLOAT_ADD,
  ...set(sum),
];

const PROJECT = loopOver(
  [],
  (offset) =>
    forVectors((k, pointer) => [
      ...[...address(pointer), ...load(offset), ...set(VECTOR)],
      ...multiplyAdd(LOCAL.values + 2 * k, VECTOR, LOCAL.a),
      ...multiplyAdd(LOCAL.values + 2 * k + 1, VECTOR, LOCAL.b),
    ]),
  Array.from({ length: 2 * VECTORS }, (_, n) => [
    ...get(LOCAL.other),
    ...get(LOCAL.values + n),
    ...store(16 * n),
  ]).flat(),
);

const COMBINE = loopOver(
  Array.from({ length: 2 * VECTORS }, (_, n) => [
    ...get(LOCAL.other),
    ...loadSplat(4 * n),
    ...set(LOCAL.values + n),
  ]).flat(),
  (offset) => [
    ...forVectors((k, pointer) => [
      ...[...address(pointer), ...load(offset), ...set(VECTOR)],
      ...multiplyAdd(LOCAL.a, VECTOR, LOCAL.values + 2 * k),
      ...multiplyAdd(LOCAL.b, VECTOR, LOCAL.values + 2 * k + 1),
    ]),
    ...[...address(LOCAL.x), ...get(LOCAL.a), ...store(offset)],
    ...[...address(LOCAL.y), ...get(LOCAL.b), ...store(offset)],
  ],
  [],
);

function section(id: number, content: number[]): number[] {
  return [id, ...sized(content)];
}

const MODULE = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...section(1, list([[0x60, ...list(Array.from({ length: 6 }, () => [TYPE.i32])), 0]])),
  ...section(2, list([[...text('engine'), ...text('memory'), 0x02, 0x00, 1]])),
  ...section(3, list([[0], [0]])),
  ...section(
    7,
    list([
      [...text('project'), 0x00, 0],
      [...text('combine'), 0x00, 1],
    ]),
  ),
  ...section(10, list([PROJECT, COMBINE])),
]);

/** Compiled at first use and kept, so that every run has the optimised code the engine made for an earlier one. */
let compiled: object | null = null;

/**
 * The kernels over a memory of their own; null where the JavaScript engine has
 * no WebAssembly SIMD or no address space for the memory.
 *
 * @param bytes size of the memory at first
 * @param maximumBytes what it may grow to, at most 4 GiB
 */
export function createSimdKernels(bytes: number, maximumBytes: number): SimdKernels | null {
  const engine = (globalThis as { WebAssembly?: WebAssemblyEngine }).WebAssembly;
  if (engine === undefined) {
    return null;
  }
  try {
    compiled ??= new engine.Module(MODULE);
    const memory = new engine.Memory({
      initial: Math.ceil(bytes / PAGE_BYTES),
      maximum: Math.ceil(maximumBytes / PAGE_BYTES),
    });
    const { exports } = new engine.Instance(compiled, { engine: { memory } });
    return { memory, ...(exports as Omit<SimdKernels, 'memory'>) };
  } catch {
    return null;
  }
}
