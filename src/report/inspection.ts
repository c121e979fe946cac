/** What `inspect` says of a file: the one definition, and its words. */
import { z } from 'zod';
import { count, fraction } from './schema-values.js';
import { schemaVersion } from './schema-version.js';
import { type ReportDocument, type Section, section } from './sections.js';
import * as text from './text.js';

const sizesSchema = z.object({
  dense: count.describe('every number as it is stored'),
  positions: count.describe('values and 8-byte positions of what is not zero, as ONNX stores sparse tensors'),
  bitmask: count.describe('a bit for each number, and the values of those that are not zero'),
});

const patternSchema = z.object({
  pattern: z.string().describe('kept:group along the inputs'),
  share: fraction.describe('of the groups that keep it'),
  conforms: z.boolean().describe('every group does'),
});

const zerosSchema = z.object({
  weights: count,
  zeros: count,
  sparsity: fraction.nullable().describe('zeros / weights; null where there are none'),
});

const inspectedWeightSchema = zerosSchema.extend({
  name: z.string(),
  shape: z.array(count),
  dtype: z.string().describe('as stored'),
  kernel: z.boolean().describe('has two axes or more, and so inputs and outputs'),
  bytes: sizesSchema,
  patterns: z.array(patternSchema),
  channels: z
    .object({
      outputs: count,
      zeroOutputs: count,
      repeatedOutputs: count.describe('equal to an earlier one'),
      inputs: count,
      zeroInputs: count,
    })
    .nullable(),
});

export const inspectionSchema = z
  .object({
    schemaVersion: z.literal(schemaVersion),
    ok: z.literal(true),
    path: z.string(),
    format: z.string(),
    all: zerosSchema.describe('of all weights of the file'),
    kernels: zerosSchema.describe('of its kernels: what pruning methods mean by sparsity, as a rule'),
    bytes: sizesSchema.extend({
      file: count.describe('of the file and those it refers to'),
      gzipped: count.describe('the same files, each gzipped'),
    }),
    breakEvenDensity: z
      .object({ positions: fraction, bitmask: fraction })
      .nullable()
      .describe('kept shares below which these forms are smaller; null without weights'),
    weights: z.array(inspectedWeightSchema),
  })
  .describe('Result of prune-limit inspect.');

export type Inspection = z.infer<typeof inspectionSchema>;
/** What stands in one line for a whole file. */
export type FileFigures = Pick<Inspection, 'path' | 'format' | 'all' | 'kernels' | 'bytes'>;
export type InspectedWeight = z.infer<typeof inspectedWeightSchema>;

/** The JSON Schema (draft 2020-12) of the result of `inspect`. */
export function inspectionJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(inspectionSchema, { io: 'input' }), title: 'prune-limit inspect' };
}

function zerosWords({ weights, zeros, sparsity }: Inspection['all']): string {
  const share = sparsity === null ? '' : ` (${text.percent(sparsity)})`;
  return `${text.whole(zeros)} of ${text.whole(weights)}${share}`;
}

function bytesWords(bytes: number, dense: number): string {
  return `${text.whole(bytes)} bytes${dense > 0 ? ` (${text.percent(bytes / dense)})` : ''}`;
}

function patternWords({ patterns }: InspectedWeight): string {
  const kept = patterns.filter(({ conforms }) => conforms).map(({ pattern }) => pattern);
  return kept.length > 0 ? kept.join(', ') : '-';
}

function emptyWords({ channels }: InspectedWeight): string {
  return channels === null ? '-' : `${text.whole(channels.zeroOutputs)} of ${text.whole(channels.outputs)}`;
}

function weightsSection({ weights }: Inspection): Section {
  const repeated = weights.filter(({ channels }) => (channels?.repeatedOutputs ?? 0) > 0);
  return section('Weights', {
    grid: {
      head: ['name', 'shape', 'weights', 'zero', 'patterns', 'empty outputs'],
      rows: weights.map((weight) => [
        text.printable(weight.name),
        weight.shape.join(' x '),
        text.whole(weight.weights),
        weight.sparsity === null ? '-' : text.percent(weight.sparsity),
        patternWords(weight),
        emptyWords(weight),
      ]),
      numeric: [2, 3, 5],
    },
    notes: repeated.map(
      ({ name, channels }) =>
        `${text.printable(name)}: ${text.plural(channels!.repeatedOutputs, 'output channel')} equal to an earlier one`,
    ),
  });
}

/** `; pays where less than 33.3 % is kept` */
function paysWords(density: number | undefined): string {
  return density === undefined ? '' : `; pays where less than ${text.percent(density)} is kept`;
}

/** What `inspect` found, in words. */
export function describeInspection(inspection: Inspection): ReportDocument {
  const { bytes, breakEvenDensity } = inspection;
  return {
    title: `prune-limit inspect: ${text.printable(inspection.path)} (${inspection.format})`,
    sections: [
      section('Zeros', {
        pairs: [
          ['all weights', zerosWords(inspection.all)],
          ['kernels', zerosWords(inspection.kernels)],
        ],
      }),
      section('Size', {
        pairs: [
          ['as stored', `${text.whole(bytes.file)} bytes, ${text.whole(bytes.gzipped)} gzipped`],
          ['dense', `${text.whole(bytes.dense)} bytes of weights`],
          [
            'sparse',
            `${bytesWords(bytes.positions, bytes.dense)}, values and positions${paysWords(breakEvenDensity?.positions)}`,
          ],
          [
            'bitmask',
            `${bytesWords(bytes.bitmask, bytes.dense)}, values and a bit for each${paysWords(breakEvenDensity?.bitmask)}`,
          ],
        ],
      }),
      weightsSection(inspection),
    ],
  };
}
