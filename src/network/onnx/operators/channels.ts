import { add, exp, log, matMul, mul, reshape, square, transpose } from '../../../tfjs-core.js';
import {
  inLayout,
  inOnnxOrder,
  integer,
  malformed,
  type Operator,
  type OperatorCall,
  type OperatorTable,
  operand,
  real,
  text,
  unsupported,
} from '../operator.js';
import { channelsLastValue, type HostValue, hostValue } from '../values.js';

/** Most channels that are normalised by their neighbours: of these there is a square matrix. */
const MAX_CHANNELS = 4096;

/** [C, C]: `weight` where channel j is one of the `size` around channel i, 0 elsewhere. */
function neighbours(channels: number, size: number, weight: number): HostValue {
  const before = Math.floor((size - 1) / 2);
  const after = Math.ceil((size - 1) / 2);
  const numbers = Float32Array.from({ length: channels * channels }, (_, position) => {
    const distance = Math.floor(position / channels) - (position % channels);
    return distance >= -before && distance <= after ? weight : 0;
  });
  return hostValue('float', [channels, channels], numbers, true);
}

/**
 * Local response normalisation: x / (bias + alpha / size * sum of squares of neighbouring channels)^beta
 * (Krizhevsky, Sutskever and Hinton, 2012). The sum is a product with a band matrix, whose derivatives are right;
 * those of tfjs's own are not.
 */
const localResponse: Operator = (call) => {
  const value = operand(call, 0);
  const [channels] = value.shape.slice(1);
  const size = integer(call, 'size', 0);
  const [alpha, beta, bias] = [real(call, 'alpha', 1e-4), real(call, 'beta', 0.75), real(call, 'bias', 1)];
  if (channels === undefined || size < 1) {
    throw malformed(call, `a size of ${size} for a tensor of shape [${value.shape}]`);
  }
  if (channels > MAX_CHANNELS) {
    throw unsupported(call, `${channels} channels`);
  }
  const x = inLayout(call, value, 'last');
  const [band] = call.constants.derived(call.node, () => [neighbours(channels, size, alpha / size)]);
  const rows = reshape(square(x), [x.size / channels, channels]);
  const scale = reshape(add(matMul(rows, inOnnxOrder(call, band)), bias), x.shape);
  return [channelsLastValue(mul(x, exp(mul(log(scale), -beta))))];
};

function blockSize(call: OperatorCall, rank: number): number {
  const size = integer(call, 'blocksize', 0);
  if (rank !== 4 || size < 1) {
    throw malformed(call, `a block size of ${size} for a tensor of rank ${rank}`);
  }
  return size;
}

/** Channels become pixels: of a depth that holds blocks of columns and rows (DCR) or columns and rows of each channel (CRD). */
const depthToSpace: Operator = (call) => {
  const value = operand(call, 0);
  const size = blockSize(call, value.shape.length);
  const [batch, channels, height, width] = value.shape;
  const depth = channels / (size * size);
  const mode = text(call, 'mode', 'DCR');
  if (!Number.isInteger(depth) || (mode !== 'DCR' && mode !== 'CRD')) {
    throw malformed(
      call,
      `${channels} channels cannot become blocks of ${size} in mode ${JSON.stringify(mode).slice(0, 40)}`,
    );
  }
  const x = inLayout(call, value, 'last');
  const [split, perm] =
    mode === 'DCR'
      ? [
          [size, size, depth],
          [0, 2, 1, 3, 4],
        ]
      : [
          [depth, size, size],
          [0, 3, 1, 4, 2],
        ];
  const blocks = transpose(reshape(x, [batch * height, width, ...split]), perm);
  return [channelsLastValue(reshape(blocks, [batch, height * size, width * size, depth]))];
};

/** Pixels become channels. */
const spaceToDepth: Operator = (call) => {
  const value = operand(call, 0);
  const size = blockSize(call, value.shape.length);
  const [batch, channels, height, width] = value.shape;
  const [rows, columns] = [height / size, width / size];
  if (!Number.isInteger(rows) || !Number.isInteger(columns)) {
    throw malformed(call, `[${value.shape}] cannot be cut into blocks of ${size}`);
  }
  const x = inLayout(call, value, 'last');
  const blocks = transpose(reshape(x, [batch * rows, size, columns, size, channels]), [0, 2, 1, 3, 4]);
  return [channelsLastValue(reshape(blocks, [batch, rows, columns, size * size * channels]))];
};

/** Operators between the channels of neighbouring pixels, or of a pixel. */
export const channelOperators: OperatorTable = {
  LRN: localResponse,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
};
