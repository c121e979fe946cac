import type { SeriesInputs } from '../executor.js';
import { type Graph, graphValue } from './graph.js';
import { type NativeOptions, type NativeTensor, onnxGraphOf, openProgram } from './native-session.js';
import type { OnnxGraph, OnnxValue } from './onnx-model.js';

/** A graph that is compiled to run several times in a row. */
export interface NativeSeries {
  /**
   * Runs it as often as there are numbers for.
   *
   * @param inputs those of the first run that are carried, and those that are the same in all
   * @param varied for each run the numbers of the others
   * @returns what is carried after the last run, by the names of inputs, and the other outputs of each run
   * @throws NotCompilableError when ONNX Runtime cannot run it
   */
  run(
    inputs: Record<string, NativeTensor>,
    varied: readonly Readonly<Record<string, Float32Array>>[],
  ): Promise<{ carried: Record<string, NativeTensor>; results: Record<string, Float32Array>[] }>;
  dispose(): Promise<void>;
}

/** What one run of a series calls a tensor: another name than the series does. */
const ofOneRun = (name: string): string => `run.${name}`;
const RUNS = 'runs';

/**
 * The model of a series: a Scan, whose body is the graph. What is carried
 * stays where it is between runs; what varies has the runs as its first axis.
 */
function seriesOf(graph: Graph, name: string, { carried, varied }: SeriesInputs): OnnxGraph {
  const differs = new Set([...Object.keys(carried), ...varied]);
  const body = onnxGraphOf(graph, `${name}-run`, (own) =>
    own in graph.inputs && !differs.has(own) ? own : ofOneRun(own),
  );
  const results = Object.keys(graph.outputs).filter((output) => !Object.values(carried).includes(output));
  const pick = (from: readonly OnnxValue[], names: readonly string[]): OnnxValue[] =>
    names.map((each) => from.find((value) => value.name === ofOneRun(each)) as OnnxValue);
  const alone = (own: string, id: number): OnnxValue => ({ name: own, ...graphValue(graph, id) });
  const stacked = (own: string, id: number): OnnxValue => ({
    ...alone(own, id),
    shape: [RUNS, ...graphValue(graph, id).shape],
  });
  const inputs = Object.entries(graph.inputs).map(([own, id]) =>
    (varied.includes(own) ? stacked : alone)(own, id),
  );
  const outputs = [
    ...Object.values(carried).map((own) => alone(own, graph.outputs[own])),
    ...results.map((own) => stacked(own, graph.outputs[own])),
  ];
  const inputNames = [...Object.keys(carried), ...varied];
  const outputNames = [...Object.values(carried), ...results];
  return {
    name,
    nodes: [
      {
        opType: 'Scan',
        inputs: inputNames,
        outputs: outputNames,
        attributes: {
          body: {
            graph: {
              ...body,
              inputs: pick(body.inputs, inputNames),
              outputs: pick(body.outputs, outputNames),
            },
          },
          num_scan_inputs: varied.length,
        },
      },
    ],
    initializers: [],
    inputs,
    outputs,
  };
}

/** Arrays of one length one after the other, in memory that is used again. */
function stacking(): (arrays: readonly Float32Array[]) => Float32Array {
  let memory = new Float32Array(0);
  return (arrays) => {
    if (arrays.length === 1) {
      return arrays[0];
    }
    const size = arrays[0].length;
    if (memory.length < arrays.length * size) {
      memory = new Float32Array(arrays.length * size);
    }
    arrays.forEach((array, run) => {
      memory.set(array, run * size);
    });
    return memory.subarray(0, arrays.length * size);
  };
}

/**
 * Compiles a graph to run several times in a row, as one run of ONNX Runtime:
 * what is carried is copied to Node once in a series, not in every run. For an
 * MLP of 266,610 weights that copy, of weights and velocities, and collecting
 * the garbage it makes, took a quarter to half of a training step.
 *
 * @throws NotCompilableError when a kernel has no lowering or ONNX Runtime no implementation
 */
export async function compileSeries(
  graph: Graph,
  name: string,
  inputs: SeriesInputs,
  options: NativeOptions,
): Promise<NativeSeries> {
  const program = await openProgram(seriesOf(graph, name, inputs), options);
  const { Tensor } = options.runtime;
  const stacks = new Map(inputs.varied.map((own) => [own, stacking()]));
  return {
    run: async (given, varied) => {
      const feeds = { ...given };
      for (const [own, stack] of stacks) {
        const numbers = stack(varied.map((each) => each[own]));
        const { shape } = graphValue(graph, graph.inputs[own]);
        feeds[own] = new Tensor('float32', numbers, [varied.length, ...shape]);
      }
      const outputs = await program.run(feeds);
      const carried: Record<string, NativeTensor> = {};
      for (const [own, output] of Object.entries(inputs.carried)) {
        carried[own] = outputs[output];
        delete outputs[output];
      }
      const results = varied.map((_, run) =>
        Object.fromEntries(
          Object.entries(outputs).map(([own, { data }]) => {
            const size = data.length / varied.length;
            return [own, (data as Float32Array).subarray(run * size, (run + 1) * size)];
          }),
        ),
      );
      return { carried, results };
    },
    dispose: program.dispose,
  };
}
