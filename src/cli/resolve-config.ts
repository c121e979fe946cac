/** Merges options, configuration file, model metadata and defaults, in this order of precedence. */
import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { type AnalyzeConfig, analyzeDefaults, type WorkersConfig } from '../config.js';
import { InputError } from '../errors.js';
import type { Progress } from '../progress.js';
import {
  type AnalyzeSettings,
  analyzeSettings,
  configSetting,
  weightsSetting,
  workersSetting,
} from './analyze-settings.js';
import { readConfigFile } from './config-file.js';
import { readServerUrl } from './server-url.js';
import { readSetting, type Setting, settingKey } from './settings.js';
import { suggestion } from './suggestion.js';

/** The name of configuration files. */
export const configFileName = 'prune-limit.json';

/** Keys of a configuration file that only the command `gate` reads. */
const gateKeys = ['gate', 'baseline'] as const;

/** Options as the command line gives them: text by camelCase key, absent where not given. */
export type Flags = Readonly<Record<string, unknown>>;

/** One place that settings come from. */
interface Source {
  /** Named in messages; null for the command line. */
  file: string | null;
  /** What paths in it are relative to. */
  directory: string;
  values: Readonly<Record<string, unknown>>;
}

const settingEntries = Object.entries(analyzeSettings) as [keyof AnalyzeSettings, Setting<unknown>][];

/** `path` as seen from the working directory; absolute only if it, or the directory, is. */
export function pathFrom(directory: string, path: string): string {
  return isAbsolute(path) ? path : join(directory, path);
}

/** The prefix for paths relative to `cwd`: nothing where that is the process's own. */
export function workingDirectory(cwd: string): string {
  return cwd === process.cwd() ? '' : cwd;
}

/** The path that `--weights` names; null without it. */
export function readWeightsOption(flags: Flags, cwd: string): string | null {
  return flags.weights === undefined ? null : pathFrom(cwd, readSetting(weightsSetting, flags.weights, null));
}

/** What `--workers` and `--allow-drift` ask for; null without them. */
function readWorkersOption({ workers, allowDrift }: Flags): WorkersConfig | null {
  if (workers === undefined) {
    if (allowDrift === true) {
      throw new InputError(
        'usage/allow-drift',
        '--allow-drift means nothing without --workers; leave it out',
      );
    }
    return null;
  }
  const given = workers === true ? undefined : readSetting(workersSetting, workers, null);
  return { url: readServerUrl(given, process.env, '--workers'), allowDrift: allowDrift === true };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkKeys(source: Source, also: readonly string[]): void {
  const known = [...settingEntries.map(([, setting]) => settingKey(setting)), ...also];
  const unknown = Object.keys(source.values).find((key) => key !== '$schema' && !known.includes(key));
  if (unknown !== undefined) {
    const list = '`prune-limit schema config` prints the known ones';
    throw new InputError(
      'config/unknown-key',
      `${source.file}: unknown key ${suggestion(unknown, known, list)}`,
    );
  }
}

export interface ResolveRequest {
  /** Options that were given, by camelCase name; those that are no settings are ignored. */
  flags: Flags;
  /** Path of model.json. */
  modelPath: string;
  /** Where relative paths of options start. */
  cwd: string;
  /**
   * `userDefinedMetadata` of the model. It comes from a file that need not be
   * trusted: only the known keys of its `pruneLimit` are used.
   */
  metadata: Readonly<Record<string, unknown>>;
}

/** The file that `--config` names, or null without it. */
async function namedSource({ config }: Flags, cwd: string): Promise<Source | null> {
  if (config === undefined) {
    return null;
  }
  const file = pathFrom(cwd, readSetting(configSetting, config, null));
  const values = await readConfigFile(file);
  if (values === null) {
    throw new InputError('config/missing', `--config ${file}: there is no such file`);
  }
  return { file, directory: dirname(file), values };
}

/** The configuration file next to the model, else the one in the working directory; says so where there are both. */
async function foundSource(
  modelDirectory: string | null,
  cwd: string,
  note: (message: string) => void,
): Promise<Source | null> {
  const files = [modelDirectory ?? cwd, cwd].map((directory) => join(directory, configFileName));
  for (const [index, file] of files.entries()) {
    const values = await readConfigFile(file);
    if (values === null) {
      continue;
    }
    const other = files[1 - index]!;
    const places = await Promise.all([file, other].map((path) => realpath(path).catch(() => null)));
    if (places[1] !== null && places[0] !== places[1]) {
      note(`configuration: ${file}; ${other} is not read, since the one next to the model goes before`);
    }
    return { file, directory: dirname(file), values };
  }
  return null;
}

/**
 * The configuration file that `--config` names, else the one next to the model, else the one in the working directory,
 * with its keys checked.
 *
 * @param modelDirectory null where no model is read
 * @param cwd the prefix for paths relative to the working directory
 * @returns null where there is none
 */
export async function findConfigFile(
  flags: Flags,
  modelDirectory: string | null,
  cwd: string,
): Promise<(Source & { file: string }) | null> {
  const source = (await namedSource(flags, cwd)) ?? (await foundSource(modelDirectory, cwd, () => {}));
  if (source === null || source.file === null) {
    return null;
  }
  checkKeys(source, gateKeys);
  return { ...source, file: source.file };
}

async function findSources(request: ResolveRequest, note: (message: string) => void): Promise<Source[]> {
  const { flags, modelPath, metadata } = request;
  const cwd = workingDirectory(request.cwd);
  const modelDirectory = dirname(modelPath);
  const sources: Source[] = [{ file: null, directory: cwd, values: flags }];
  const file = (await namedSource(flags, cwd)) ?? (await foundSource(modelDirectory, cwd, note));
  if (file !== null) {
    checkKeys(file, gateKeys);
    sources.push(file);
  }
  const pruneLimit = metadata.pruneLimit ?? null;
  if (pruneLimit !== null) {
    const file = `${modelPath}: userDefinedMetadata.pruneLimit`;
    if (!isRecord(pruneLimit)) {
      throw new InputError('config/not-an-object', `${file}: not a JSON object`);
    }
    const source = { file, directory: modelDirectory, values: pruneLimit };
    checkKeys(source, []);
    sources.push(source);
  }
  return sources;
}

/**
 * The merged settings; `data` is null where no source names any. Tells `progress` which of two configuration files
 * is read.
 */
export async function resolveSettings(
  request: ResolveRequest,
  progress: Progress,
): Promise<{ config: Omit<AnalyzeConfig, 'data'> & { data: string | null }; dataSource: string | null }> {
  const sources = await findSources(request, progress.note);
  const resolved: Record<string, unknown> = {
    ...analyzeDefaults,
    model: request.modelPath,
    weights: readWeightsOption(request.flags, workingDirectory(request.cwd)),
    data: null,
    workers: readWorkersOption(request.flags),
  };
  let dataSource: string | null = null;
  for (const [key, setting] of settingEntries) {
    const name = settingKey(setting);
    const source = sources.find(({ values }) => values[name] !== undefined && values[name] !== null);
    if (source === undefined) {
      continue;
    }
    const value = readSetting(setting, source.values[name], source.file);
    resolved[key] = setting.path ? pathFrom(source.directory, value as string) : value;
    if (key === 'data') {
      dataSource = source.file;
    }
  }
  return { config: resolved as unknown as AnalyzeConfig, dataSource };
}

/** The configuration of an analysis; tells `progress` where data came from if no option said it. */
export async function resolveAnalyzeConfig(
  request: ResolveRequest,
  progress: Progress,
): Promise<AnalyzeConfig> {
  const { config, dataSource } = await resolveSettings(request, progress);
  if (config.data === null) {
    throw new InputError(
      'usage/no-data',
      `${request.modelPath}: no data to measure the loss on; say where it is with --data PATH, ` +
        `for example --data ${analyzeSettings.data.examples[0]}, or with "data" in ${configFileName}`,
    );
  }
  if (dataSource !== null) {
    progress.note(`data: ${config.data} (from ${dataSource})`);
  }
  return { ...config, data: config.data };
}
