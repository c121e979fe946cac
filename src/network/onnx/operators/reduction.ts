import { abs, max, mean, neg, sqrt, square, sum, type Tensor } from '../../../tfjs-core.js';
import {
  inLayout,
  integer,
  integersOf,
  type Operator,
  type OperatorTable,
  operand,
  preferredLayout,
  resolveAxis,
} from '../operator.js';
import { axisIn, type Layout, valueIn } from '../values.js';

type Reduce = (x: Tensor, axes: number[], keepDims: boolean) => Tensor;

/** A reduction whose axes became an operand in operator set `axesSince`. */
function reduction(reduce: Reduce, axesSince: number): Operator {
  return (call) => {
    const value = operand(call, 0);
    const rank = value.shape.length;
    const given = integersOf(call, 1, 'axes', axesSince) ?? [];
    if (given.length === 0 && integer(call, 'noop_with_empty_axes', 0) !== 0) {
      return [value];
    }
    const axes = (given.length === 0 ? [...value.shape.keys()] : given).map((axis) =>
      resolveAxis(call, axis, rank),
    );
    const keepDims = integer(call, 'keepdims', 1) !== 0;
    const channelsStay = !axes.includes(1);
    const spatialGo = value.shape.slice(2).every((_, index) => axes.includes(index + 2));
    // Channels last fits as long as what is left has them where they belong.
    const layout: Layout = keepDims || (channelsStay && spatialGo) ? preferredLayout([value]) : 'first';
    const result = reduce(
      inLayout(call, value, layout),
      axes.map((axis) => axisIn(layout, axis, rank)),
      keepDims,
    );
    return [valueIn(keepDims ? layout : 'first', result)];
  };
}

/** Reductions over axes. */
export const reductionOperators: OperatorTable = {
  ReduceSum: reduction(sum, 13),
  ReduceMean: reduction(mean, 18),
  ReduceMax: reduction(max, 18),
  ReduceMin: reduction((x, axes, keepDims) => neg(max(neg(x), axes, keepDims)), 18),
  ReduceL1: reduction((x, axes, keepDims) => sum(abs(x), axes, keepDims), 18),
  ReduceL2: reduction((x, axes, keepDims) => sqrt(sum(square(x), axes, keepDims)), 18),
  ReduceSumSquare: reduction((x, axes, keepDims) => sum(square(x), axes, keepDims), 18),
};
