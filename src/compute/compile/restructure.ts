import { fewestOperations, gatheredColumns } from './columns.js';
import { convolutionGeometry, UNFOLD, UNFOLDED_FILTER_GRADIENT } from './convolution-lowering.js';
import { type Graph, type GraphNode, graphValue, type ValueId } from './graph.js';
import { Rebuilder } from './rebuilder.js';
import { dependentValues, eliminateDeadNodes } from './simplify.js';
import { hasTransposedConvolution, transposedGeometry } from './windows.js';

/**
 * Takes transpositions of fixed operands out of matrix products, where they
 * can be computed once: a product with a transposed left operand is about 30 %
 * slower than one with the transpose at hand.
 */
export function separateFixedTransposes(graph: Graph, variableInputs: readonly string[]): Graph {
  const variable = dependentValues(graph, variableInputs);
  const rebuilder = new Rebuilder(graph);
  for (const node of graph.nodes) {
    if (node.kernel !== 'BatchMatMul') {
      rebuilder.nodes.push(node);
      continue;
    }
    const inputs: Record<string, ValueId> = { ...node.inputs };
    const attributes: Record<string, unknown> = { ...node.attributes };
    for (const [name, flag] of [
      ['a', 'transposeA'],
      ['b', 'transposeB'],
    ] as const) {
      const { shape, type } = graphValue(graph, inputs[name]);
      if (attributes[flag] === true && shape.length === 2 && !variable.has(inputs[name])) {
        inputs[name] = rebuilder.add(
          'Transpose',
          { x: inputs[name] },
          { perm: [1, 0] },
          { shape: [shape[1], shape[0]], type },
        );
        attributes[flag] = false;
      }
    }
    rebuilder.nodes.push({ ...node, inputs, attributes });
  }
  return rebuilder.finish();
}

/** Columns of a matrix that a product computes at a time: with fewer, it takes as long (6 and 12 alike, measured). */
const PRODUCT_BLOCK = 16;

/**
 * Writes filter gradients of convolutions as products with an unfolded tensor.
 *
 * The gradient is bilinear in the input and the output gradient; the one that
 * is fixed is unfolded, so that the unfolding can be computed once. With both
 * variable, or with a stride where only the output gradient is fixed, the
 * input is unfolded.
 *
 * @param transposed lays the unfolded tensor out as the product wants it:
 *   worth it where it is kept, more than the product gains where it is not
 */
export function unfoldFilterGradients(
  graph: Graph,
  variableInputs: readonly string[],
  transposed: boolean,
): Graph {
  const variable = dependentValues(graph, variableInputs);
  const rebuilder = new Rebuilder(graph);
  for (const node of graph.nodes) {
    if (node.kernel !== 'Conv2DBackpropFilter') {
      rebuilder.nodes.push(node);
      continue;
    }
    const { x, dy } = node.inputs;
    const filterShape = node.attributes.filterShape as number[];
    const input = graphValue(graph, x);
    const geometry = convolutionGeometry(node, input.shape, filterShape, false);
    const dual = variable.has(x) && !variable.has(dy) && hasTransposedConvolution(geometry);
    const ownGeometry = dual ? transposedGeometry(geometry) : geometry;
    const { columns } = fewestOperations(ownGeometry, PRODUCT_BLOCK);
    const unfoldedGeometry = gatheredColumns(ownGeometry, columns);
    const { filterHeight, filterWidth, outHeight, outWidth } = unfoldedGeometry;
    const taps = filterHeight * filterWidth * unfoldedGeometry.inChannels;
    const positions = input.shape[0] * outHeight * outWidth;
    const unfolded = rebuilder.add(
      UNFOLD,
      { x: dual ? dy : x },
      { geometry: unfoldedGeometry, reverseTaps: dual, transposed },
      {
        shape: transposed ? [taps, positions] : [positions, taps],
        type: 'float32',
      },
    );
    rebuilder.nodes.push({
      kernel: UNFOLDED_FILTER_GRADIENT,
      inputs: { unfolded, other: dual ? x : dy },
      attributes: { filterShape, dual, transposed, columns, columnStep: ownGeometry.strideWidth },
      outputs: node.outputs,
    });
  }
  return rebuilder.finish();
}

/** A graph cut in two: what does not depend on some inputs, and the rest. */
export interface SplitGraph {
  /** Computes, from the fixed inputs, the values that `step` reads: its outputs, named `p0`, `p1`, .. */
  prologue: Graph;
  /** Computes the outputs from the variable inputs and the prologue's outputs. */
  step: Graph;
}

/**
 * Splits a graph at the boundary of what depends on the variable inputs.
 *
 * @param recomputed whether a fixed node is cheap or large enough to be
 *   computed in every step instead of being kept
 */
export function splitGraph(
  graph: Graph,
  variableInputs: readonly string[],
  recomputed: (node: GraphNode) => boolean = () => false,
): SplitGraph {
  const variable = dependentValues(graph, variableInputs);
  const isVariable = (node: GraphNode): boolean => node.outputs.some((output) => variable.has(output));
  const stepNodes = new Set<GraphNode>();
  const needed = new Set<ValueId>(Object.values(graph.outputs));
  for (const node of [...graph.nodes].reverse()) {
    const isNeeded = node.outputs.some((output) => needed.has(output));
    if (isVariable(node) || (isNeeded && recomputed(node))) {
      stepNodes.add(node);
      for (const input of Object.values(node.inputs)) {
        needed.add(input);
      }
    }
  }
  const inStep = new Set<ValueId>(
    [...stepNodes].flatMap((node) => node.outputs).concat(variableInputs.map((name) => graph.inputs[name])),
  );
  const frontier = [...needed].filter((id) => !inStep.has(id) && !graph.constants.has(id));
  const frontierNames = Object.fromEntries(frontier.map((id, index) => [`p${index}`, id]));
  const fixedInputs = Object.fromEntries(
    Object.entries(graph.inputs).filter(([name]) => !variableInputs.includes(name)),
  );
  const variableEntries = Object.fromEntries(variableInputs.map((name) => [name, graph.inputs[name]]));
  return {
    // What a step recomputes may be read by what the prologue computes, too.
    prologue: eliminateDeadNodes({
      ...graph,
      inputs: fixedInputs,
      nodes: graph.nodes.filter((node) => !isVariable(node)),
      outputs: frontierNames,
    }),
    step: {
      ...graph,
      inputs: { ...variableEntries, ...frontierNames },
      nodes: graph.nodes.filter((node) => stepNodes.has(node)),
    },
  };
}
