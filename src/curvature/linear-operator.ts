/**
 * A symmetric linear map on R^dim, known only by its action on vectors.
 *
 * Everything spectral sees a network through this interface, so that it can
 * be tested on explicit matrices.
 */
export interface LinearOperator {
  /** Dimension of the space the operator acts on. */
  readonly dim: number;
  /** Whether the map has no negative eigenvalue, but for rounding. Default false. */
  readonly positiveSemidefinite?: boolean;
  /**
   * The product of the operator with one vector.
   *
   * @param vector length `dim`; not modified, not kept
   * @returns a new array of length `dim`
   */
  apply(vector: Float32Array | Float64Array): Promise<Float64Array>;
  /** Numbers that follow from a product, which an operator may know from before; left out: it knows none. */
  summarize?(vector: Float32Array | Float64Array, summary: ProductSummary): Promise<Float64Array>;
}

/** Numbers that follow from a product, where they are all that is wanted of it: a few in place of `dim`. */
export interface ProductSummary {
  /** Which numbers; they follow from the name, the vector and `inputs`. */
  name: string;
  /** What they depend on besides, but for what never changes in one analysis, such as weights, gradient and layers. */
  inputs?: readonly (Float32Array | Float64Array)[];
  of(product: Float64Array): Float64Array;
}

/** The numbers of a summary, at the cost of a product where the operator does not know them. */
export async function productSummary(
  operator: LinearOperator,
  vector: Float32Array | Float64Array,
  summary: ProductSummary,
): Promise<Float64Array> {
  return operator.summarize?.(vector, summary) ?? summary.of(await operator.apply(vector));
}
