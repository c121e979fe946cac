/** Published settings of training as data: `recipes/*.json` at the root of the package, every field with its source. */
import { readdirSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import type { TrainConfig } from '../config.js';
import { zooNames } from './zoo/catalogue.js';

/** Which of two readings of a recipe: what its code does, or what its settings say. */
export type RecipeReading = 'coded' | 'meant';

/** A field: a value with its source, or two values where code and intention differ, with a note on how. */
function field<Value extends z.ZodType>(value: Value) {
  const source = z.string().min(1);
  return z.union([
    z.strictObject({ value, source }),
    z.strictObject({ coded: value, meant: value, source, note: z.string().min(1) }),
  ]);
}

const normalization = z
  .strictObject({ mean: z.array(z.number()), std: z.array(z.number().positive()) })
  .refine(({ mean, std }) => mean.length === std.length);

const settingsSchema = z.strictObject({
  network: field(z.enum(zooNames)),
  optimizer: field(z.enum(['sgd', 'adam'])),
  learningRate: field(z.number().positive()),
  momentum: field(z.number().min(0).lt(1)),
  nesterov: field(z.boolean()),
  weightDecay: field(z.number().min(0)),
  l1: field(z.number().min(0)),
  l1On: field(z.enum(['kernels', 'all'])),
  epochs: field(z.int().min(1)),
  batchSize: field(z.int().min(1)),
  warmUpEpochs: field(z.number().min(0)),
  schedule: field(z.enum(['constant', 'cosine', 'multi-step'])),
  scheduleUnit: field(z.enum(['epochs', 'batches'])),
  cosinePeriod: field(z.int().min(2).multipleOf(2).nullable()).optional(),
  milestones: field(z.array(z.int().min(1)).min(1)).optional(),
  decay: field(z.number().positive()).optional(),
  augment: field(z.strictObject({ cropPadding: z.int().min(0), flip: z.boolean() }).nullable()),
  normalize: field(normalization),
});

const recipeSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9-]+$/),
  /** One line. */
  title: z.string().min(1),
  /** The data set that it is for. */
  data: field(z.string().min(1)),
  /** Whether there is code that the settings were published with. */
  published: z.boolean(),
  /** Where most of the settings are from, in a word or two; `ours` where they are not published. */
  source: z.string().min(1),
  settings: settingsSchema,
});

/** A recipe as its file has it. */
export type Recipe = z.infer<typeof recipeSchema>;

/** What a recipe sets of a training run. */
export type RecipeSettings = Partial<TrainConfig> & {
  network: NonNullable<TrainConfig['network']>;
} & Pick<TrainConfig, 'epochs' | 'l1'>;

/** The folder of the recipes; two folders up both from src/training and from dist/training. */
const FOLDER = new URL('../../recipes/', import.meta.url);

/** The names of all recipes, sorted. */
export function recipeNames(): string[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort();
}

/** The recipe of a name; null where there is none. */
export function readRecipe(name: string): Recipe | null {
  return recipeNames().includes(name)
    ? recipeSchema.parse(JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8')))
    : null;
}

/** The settings of a recipe in one of its readings. */
export function recipeSettings({ settings }: Recipe, reading: RecipeReading): RecipeSettings {
  const entries = Object.entries(settings).map(([key, entry]) => [
    key,
    'value' in entry ? entry.value : entry[reading],
  ]);
  return Object.fromEntries(entries) as RecipeSettings;
}
