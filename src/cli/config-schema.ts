/** The JSON Schema of a configuration file, for editors: what `$schema` in it can name. */
import { z } from 'zod';
import { type AnalyzeSettings, analyzeSettings } from './analyze-settings.js';
import { gateKeySchemas } from './gate-config.js';
import { settingKey } from './settings.js';

const count = z.int().min(1);
const countOrAll = z.union([count, z.literal('all')]);
const fraction = z.number().min(0).lt(1);
const oneOrSeveral = z.union([z.string(), z.array(z.string())]);

/** How the value of each key is written in JSON. Numbers may also be written as text, as on the command line. */
const valueSchemas: Record<keyof AnalyzeSettings, z.ZodType> = {
  data: z.string(),
  labelColumn: z.string(),
  layout: z.enum(['NHWC', 'NCHW']),
  normalize: z.union([z.string(), z.object({ mean: z.array(z.number()), std: z.array(z.number().gt(0)) })]),
  examples: countOrAll,
  sample: z.enum(['random', 'first']),
  testExamples: countOrAll,
  loss: z.enum(['auto', 'cross-entropy', 'binary-cross-entropy', 'mse']),
  epsilon: z.union([z.literal('batch-std'), z.number().gt(0), z.string().regex(/^\s*[\d.]+\s*%\s*$/)]),
  epsilonExamples: countOrAll,
  curvature: z.enum(['hessian', 'ggn']),
  negative: z.enum(['abs', 'clip']),
  bound: z.enum(['gaussian-width', 'sharp']),
  probes: count,
  steps: z.int().min(2),
  tolerancePoints: z.number().gt(0),
  accuracyTolerancePoints: z.number().min(0).max(100),
  ratios: z.union([z.array(fraction), z.string()]),
  layers: z.union([z.boolean(), z.enum(['auto', 'always', 'full'])]),
  patterns: oneOrSeveral,
  weightScales: z.union([z.array(z.number().gt(0)), z.string()]),
  rowNorms: z.int().min(0),
  tuneEpochs: z.number().min(0).max(10_000),
  include: oneOrSeveral,
  exclude: oneOrSeveral,
  seed: z.int().min(0),
  backend: z.enum(['auto', 'tensorflow', 'onnx', 'onnx-web', 'wasm', 'cpu']),
  threads: count,
  memoryLimitBytes: z.union([count, z.string()]),
  reorthogonalization: z.enum(['auto', 'full', 'none']),
  productPlan: z.enum(['auto', 'kept', 'recomputed', 'whole']),
  shards: count,
  dumpGraph: z.string(),
};

/** The schema as zod has it: every key of an option, those of `gate`, and `$schema`; null is as good as absent. */
export const configFileSchema = z.strictObject({
  $schema: z.string().optional(),
  ...gateKeySchemas,
  ...Object.fromEntries(
    (Object.keys(valueSchemas) as (keyof AnalyzeSettings)[]).map((key) => {
      const { help, defaultText } = analyzeSettings[key];
      const description = defaultText === undefined ? help : `${help} (default: ${defaultText})`;
      return [settingKey(analyzeSettings[key]), valueSchemas[key].nullish().describe(description)];
    }),
  ),
});

/** JSON Schema (draft 2020-12) of `prune-limit.json`. */
export function configJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(configFileSchema, { io: 'input' }), title: 'prune-limit configuration' };
}
