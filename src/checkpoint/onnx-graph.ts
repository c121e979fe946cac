/** An ONNX graph as the rest of the program sees it: plain data, checked, independent of protobuf. */

/** A tensor whose values are known. */
export interface OnnxTensor {
  readonly shape: readonly number[];
  /**
   * `float` for float32, float16, bfloat16 and float64; `integer` for all
   * integers; `boolean`.
   */
  readonly type: 'float' | 'integer' | 'boolean';
  /**
   * Row-major: Float32Array for `float`, Float64Array of whole numbers for
   * `integer` (beyond 2^53 rounded: only ends of slices are that large),
   * Uint8Array of 0 and 1 for `boolean`.
   */
  readonly values: Float32Array | Float64Array | Uint8Array;
  /** The least and the largest number of the element type, of integers of 8 and 16 bits. */
  readonly range?: readonly [low: number, high: number];
}

/** A branch of an If node. Its names are its own throughout the graph, but for those it takes from around it. */
export interface OnnxBranch {
  /** In file order. */
  readonly nodes: readonly OnnxNode[];
  /** Names of its results. */
  readonly outputs: readonly string[];
}

/** An attribute of a node; `unsupported` for kinds that no supported operator has (sparse tensors, types, ..). */
export type OnnxAttribute =
  | { readonly kind: 'float' | 'int'; readonly value: number }
  | { readonly kind: 'floats' | 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'tensor'; readonly value: OnnxTensor }
  | { readonly kind: 'branch'; readonly value: OnnxBranch }
  | { readonly kind: 'unsupported' };

/** One operator call. */
export interface OnnxNode {
  /** Its name in the file, or `#index` where it has none. */
  readonly name: string;
  readonly opType: string;
  /** Empty for the default operators of ONNX (also where the file says `ai.onnx`). */
  readonly domain: string;
  /** Names of the operands; an empty one is an optional operand left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
  /** Version of the default operators, where it is not that of the graph: in functions. */
  readonly opset?: number;
  /** The function or branch that the file has it in, in words; left out for nodes of the graph itself. */
  readonly inside?: string;
}

/** An input or output of the graph. */
export interface OnnxValue {
  readonly name: string;
  /** A TensorProto.DataType number. */
  readonly elementType: number;
  /** Null for an extent that is free; null as a whole where the file gives none. */
  readonly shape: readonly (number | null)[] | null;
}

/** A model's graph, with the functions of the model put in the place of their calls. */
export interface OnnxGraph {
  /** Every operand of a node is computed by an earlier one, an input, a weight or a constant. */
  readonly nodes: readonly OnnxNode[];
  /** Without the initialisers, which old files list as inputs, too. */
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** Initialisers that are not floating-point, by name; the others are the checkpoint's weights. */
  readonly constants: ReadonlyMap<string, OnnxTensor>;
  /** Version of the default operator set. */
  readonly opset: number;
  /** Who wrote the file, e.g. `pytorch 2.4.0`; empty where it does not say. */
  readonly producer: string;
}
