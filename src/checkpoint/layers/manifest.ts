/** The model.json of a TensorFlow.js LayersModel: its structure, checked before any weight is read. */
import { z } from 'zod';
import { InputError } from '../../errors.js';
import { type CheckpointDtype, elementCount, type WeightStorage } from '../checkpoint.js';
import { parseJson } from '../json.js';
import { printable, quoted } from '../printable.js';
import { bytesPerElement } from '../quantization.js';

/**
 * Top-level key of a model.json that prune-limit wrote; others who save the model leave it out. It holds the sha256 of
 * all weight files in order, so that a model with other weights in their place is not taken for one of ours.
 */
export const WRITTEN_BY_KEY = 'writtenBy';

/** tfjs tensors have at most 6 axes. */
const MAX_RANK = 6;

/** Elements of one weight: 2^29 float32 fill the 2 GiB a checkpoint may have. */
const MAX_ELEMENTS = 2 ** 29;

const manifestSchema = z.object({
  weightsManifest: z.array(
    z.object({
      paths: z.array(z.string()),
      weights: z.array(
        z.object({
          name: z.string(),
          shape: z.array(z.unknown()),
          dtype: z.string(),
          group: z.string().optional(),
          quantization: z
            .object({ dtype: z.string(), scale: z.number().optional(), min: z.number().optional() })
            .optional(),
        }),
      ),
    }),
  ),
});

type RawSpec = z.infer<typeof manifestSchema>['weightsManifest'][number]['weights'][number];

/** One weight as the manifest declares it. */
export interface WeightSpec {
  name: string;
  shape: number[];
  dtype: CheckpointDtype;
  storage: WeightStorage | null;
  /** Bytes in the file. */
  byteLength: number;
  /** State of an optimizer (tfjs `includeOptimizer`), not part of the model. */
  optimizer: boolean;
}

/** Weights whose bytes lie one after the other in the shards `paths`, taken together. */
export interface WeightGroup {
  paths: string[];
  weights: WeightSpec[];
}

/** A model.json. */
export interface LayersManifest {
  topology: Record<string, unknown>;
  metadata: Record<string, unknown>;
  extra: Record<string, unknown>;
  groups: WeightGroup[];
}

/**
 * Parses and checks the bytes of a model.json.
 *
 * @param path names the file in errors
 * @throws InputError for anything but a LayersModel with well-formed weights
 */
export function parseManifest(bytes: Uint8Array, path: string): LayersManifest {
  const json = parseJson(bytes, path);
  if (!isRecord(json)) throw notLayersModel(path, 'it holds no JSON object');
  const {
    format,
    modelTopology: topology,
    weightsManifest: _,
    userDefinedMetadata: metadata,
    [WRITTEN_BY_KEY]: _mark,
    ...extra
  } = json;
  if (format === 'graph-model' || (isRecord(topology) && 'node' in topology)) throw graphModel(path);
  if (!isRecord(topology)) throw notLayersModel(path, 'it has no modelTopology');
  if (format !== undefined && format !== null && format !== 'layers-model') {
    throw notLayersModel(
      path,
      `its format is ${typeof format === 'string' ? quoted(format) : 'no text'}, not "layers-model"`,
    );
  }
  if (metadata !== undefined && metadata !== null && !isRecord(metadata)) {
    throw new InputError(
      'checkpoint/invalid-manifest',
      `${printable(path)}: userDefinedMetadata is not a JSON object.`,
    );
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) throw invalidManifest(parsed.error.issues[0]!, json, path);
  const groups = parsed.data.weightsManifest.map((group) => ({
    paths: group.paths,
    weights: group.weights.map((spec) => checkSpec(spec, path)),
  }));
  requireUniqueNames(groups, path);
  return { topology, metadata: metadata ?? {}, extra, groups };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function notLayersModel(path: string, why: string): InputError {
  return new InputError(
    'checkpoint/unsupported-format',
    `${printable(path)} is not a TensorFlow.js LayersModel: ${why}. Give the model.json that model.save() or tensorflowjs_converter wrote.`,
  );
}

function graphModel(path: string): InputError {
  return new InputError(
    'checkpoint/unsupported-format',
    `${printable(path)} is a TensorFlow.js GraphModel, which is not supported yet: convert the Keras model it came from with ` +
      'tensorflowjs_converter --input_format=keras --output_format=tfjs_layers_model model.h5 DIR.',
  );
}

/** The first schema violation, with the value found and, inside a weight, the weight's name. */
function invalidManifest(issue: z.core.$ZodIssue, json: unknown, path: string): InputError {
  let value: unknown = json;
  let name: unknown;
  let where = '';
  for (const key of issue.path) {
    value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
    where += typeof key === 'number' ? `[${key}]` : `${where && '.'}${String(key)}`;
    if (isRecord(value) && typeof value.name === 'string') name = value.name;
  }
  const weight = typeof name === 'string' ? ` (weight ${quoted(name)})` : '';
  const found = value === undefined ? 'missing' : quoted(JSON.stringify(value));
  return new InputError(
    'checkpoint/invalid-manifest',
    `${printable(path)}: ${printable(where)}${weight} is ${found}: ${printable(issue.message)}.`,
  );
}

function checkSpec(spec: RawSpec, path: string): WeightSpec {
  const fail = (code: string, problem: string) =>
    new InputError(code, `${printable(path)}: weight ${quoted(spec.name)} ${problem}`);
  const { name, dtype } = spec;
  if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool') {
    throw fail(
      'checkpoint/unsupported-dtype',
      `has dtype ${quoted(dtype)}; supported are float32, int32 and bool.`,
    );
  }
  const shape = checkShape(spec.shape);
  if (typeof shape === 'string') throw fail('checkpoint/invalid-shape', shape);
  const storage = checkStorage(spec.quantization, dtype);
  if (typeof storage === 'string') throw fail('checkpoint/invalid-quantization', storage);
  const byteLength = elementCount(shape) * bytesPerElement(dtype, storage);
  return { name, shape, dtype, storage, byteLength, optimizer: spec.group === 'optimizer' };
}

/** The shape, or what is wrong with it. */
function checkShape(shape: readonly unknown[]): number[] | string {
  const shown = printable(JSON.stringify(shape));
  if (shape.length > MAX_RANK) return `has shape ${shown}: at most ${MAX_RANK} axes are possible.`;
  const sizes: number[] = [];
  for (const size of shape) {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
      return `has shape ${shown}: every size must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}.`;
    }
    sizes.push(size + 0); // -0 becomes 0
  }
  // Sizes are finite, so a 0 among them makes the product 0 and never NaN, whatever overflows.
  if (elementCount(sizes) > MAX_ELEMENTS) {
    return `has shape ${shown}: more than the ${MAX_ELEMENTS} elements a weight may have.`;
  }
  return sizes;
}

/** The storage type, or what is wrong with it. */
function checkStorage(
  quantization: RawSpec['quantization'],
  dtype: CheckpointDtype,
): WeightStorage | null | string {
  if (!quantization) return null;
  const { dtype: stored, scale, min } = quantization;
  if (stored === 'float16') {
    return dtype === 'float32' ? { dtype: stored } : `is ${dtype} quantised to float16; only float32 can be.`;
  }
  if (stored !== 'uint8' && stored !== 'uint16') {
    return `is quantised to ${quoted(stored)}; supported are float16, uint8 and uint16.`;
  }
  if (dtype === 'bool') return `is bool quantised to ${stored}; only float32 and int32 can be.`;
  if (scale === undefined || min === undefined) return `is quantised to ${stored} without scale and min.`;
  if (dtype === 'int32') {
    const ends = [min, (stored === 'uint8' ? 0xff : 0xffff) * scale + min].map(Math.round);
    if (ends.some((end) => end < -(2 ** 31) || end >= 2 ** 31)) {
      return `is int32 quantised to ${stored} with scale ${scale} and min ${min}, which leaves the range of int32.`;
    }
  }
  return { dtype: stored, scale, min };
}

function requireUniqueNames(groups: readonly WeightGroup[], path: string): void {
  const seen = new Set<string>();
  for (const { name } of groups.flatMap((group) => group.weights)) {
    if (seen.has(name)) {
      throw new InputError(
        'checkpoint/duplicate-weight',
        `${printable(path)}: two weights are named ${quoted(name)}; names must be unique.`,
      );
    }
    seen.add(name);
  }
}
