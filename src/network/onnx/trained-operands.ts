/** Which numbers of an ONNX graph training changes. */
import { type CheckpointWeight, elementCount } from '../../checkpoint/checkpoint.js';
import type { OnnxNode } from '../../checkpoint/onnx-graph.js';
import { quoted } from '../../checkpoint/printable.js';
import { InputError } from '../../errors.js';
import { producers } from './ending.js';
import { TRAINED_OPERANDS } from './finite-weights.js';
import { ranksOf } from './folded-graph.js';
import { kernelNames, multiplied, origins } from './kernels.js';
import { dependentOnInput, type Plan } from './plan.js';

/** A batch normalisation, and the weights that hold its moving statistics, by their positions among the statistics. */
export interface TrainedNormalization {
  node: OnnxNode;
  mean: number;
  variance: number;
}

/** What training changes, each weight once, however many nodes take it. */
export interface TrainedOperands {
  /** Kernels, in the order of `kernelNames`. */
  kernels: CheckpointWeight[];
  /** Biases, scales, offsets and slopes, in the order of the graph. */
  others: CheckpointWeight[];
  /** Moving means and variances. */
  statistics: CheckpointWeight[];
  normalizations: TrainedNormalization[];
  /** Names of those of `others` and `statistics` that are 1 in a new network: scales and moving variances. */
  ones: ReadonlySet<string>;
}

const SCALE = 1;
const MEAN = 3;
const VARIANCE = 4;

function isNormalization({ opType, domain }: OnnxNode): boolean {
  return opType === 'BatchNormalization' && domain === '';
}

/** One number for each place along a single axis. */
function isVector({ shape }: CheckpointWeight): boolean {
  return elementCount(shape) === Math.max(1, ...shape);
}

/**
 * Finds what training changes: kernels, biases of convolutions and matrix
 * products (as an operand, or added by the node behind), scales and offsets of
 * normalisations, slopes of PRelu; and moving statistics of batch
 * normalisations. Constants with another part (shapes, masks, bounds, factors
 * that stand alone) are not trained.
 *
 * @throws InputError `training/statistics` where moving statistics are not weights of one normalisation alone
 */
export function trainedOperands(
  plan: Plan,
  weights: readonly CheckpointWeight[],
  path: string,
): TrainedOperands {
  const byName = new Map(weights.map((weight) => [weight.name, weight]));
  const dependent = dependentOnInput(plan);
  const weightBehind = origins(plan, (name) => byName.has(name));
  const valueBehind = origins(plan, () => false);
  const made = producers(plan.nodes);
  const kernels = new Set(kernelNames(plan, ranksOf(weights)));
  const others = new Set<string>();
  const ones = new Set<string>();
  const multipliesKernel = (node: OnnxNode | undefined): boolean =>
    node !== undefined &&
    multiplied(node).some((index) => kernels.has(weightBehind(node.inputs[index] ?? '')));
  const nodes = plan.nodes.filter(({ outputs }) => outputs.some((name) => dependent.has(name)));
  for (const node of nodes) {
    const { opType, domain, inputs } = node;
    const operands = domain === '' && Object.hasOwn(TRAINED_OPERANDS, opType) ? TRAINED_OPERANDS[opType] : [];
    for (const index of operands.filter((each) => !(isNormalization(node) && each >= MEAN))) {
      const name = weightBehind(inputs[index] ?? '');
      if (byName.has(name) && !kernels.has(name) && !multiplied(node).includes(index)) {
        others.add(name);
        if (index === SCALE && /Normalization$/.test(opType)) {
          ones.add(name);
        }
      }
    }
    if (opType === 'Add' && domain === '') {
      for (const [operand, other] of [inputs, [...inputs].reverse()]) {
        const added = byName.get(weightBehind(operand));
        if (added !== undefined && isVector(added) && multipliesKernel(made.get(valueBehind(other)))) {
          others.add(added.name);
        }
      }
    }
  }
  const isTrained = (name: string): boolean => kernels.has(name) || others.has(name);
  const { statistics, normalizations } = movingStatistics(nodes, weightBehind, byName, isTrained, path);
  for (const { variance } of normalizations) {
    ones.add(statistics[variance].name);
  }
  const weightsOf = (names: Iterable<string>) =>
    [...names].map((name) => byName.get(name) as CheckpointWeight);
  return { kernels: weightsOf(kernels), others: weightsOf(others), statistics, normalizations, ones };
}

function movingStatistics(
  nodes: readonly OnnxNode[],
  weightBehind: (operand: string) => string,
  byName: ReadonlyMap<string, CheckpointWeight>,
  isTrained: (name: string) => boolean,
  path: string,
): Pick<TrainedOperands, 'statistics' | 'normalizations'> {
  const statistics: CheckpointWeight[] = [];
  /** Position and partner of each; a normalisation that is applied several times has one pair. */
  const known = new Map<string, { position: number; partner: string; part: number }>();
  const refused = (node: OnnxNode, what: string): InputError =>
    new InputError(
      'training/statistics',
      `${path}: BatchNormalization ${quoted(node.name)} ${what}, so its averages cannot be written back; export the trained model, without merging equal initialisers`,
    );
  const positionOf = (node: OnnxNode, name: string, partner: string, part: number): number => {
    const weight = byName.get(name);
    if (weight === undefined) {
      throw refused(node, `computes the operand ${quoted(node.inputs[part] ?? '')}`);
    }
    const found = known.get(name);
    if (
      isTrained(name) ||
      (found && (found.partner !== partner || found.part !== part)) ||
      name === partner
    ) {
      throw refused(node, `shares ${quoted(name)} with another operand`);
    }
    const position = found?.position ?? statistics.push(weight) - 1;
    known.set(name, { position, partner, part });
    return position;
  };
  const normalizations = nodes.filter(isNormalization).map((node): TrainedNormalization => {
    const [mean, variance] = [MEAN, VARIANCE].map((index) => weightBehind(node.inputs[index] ?? ''));
    return {
      node,
      mean: positionOf(node, mean, variance, MEAN),
      variance: positionOf(node, variance, mean, VARIANCE),
    };
  });
  return { statistics, normalizations };
}
