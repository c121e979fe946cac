/**
 * Readers of option values. Each takes the text of an option, or the JSON value
 * of a configuration file, and returns the checked value or throws
 * `ValueError` with what is wrong; who calls it adds where.
 */
import type { AnalyzeConfig, EpsilonConfig, NormalizeConfig } from '../config.js';
import { readPattern } from '../pruning/patterns.js';

/** What is wrong with a value, as the end of a sentence that starts with the value. */
export class ValueError extends Error {
  override name = 'ValueError';
}

export type Reader<T> = (value: unknown) => T;

const numberPattern = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Longest value that a message repeats. */
const MAX_SHOWN = 60;

/** A value as a message shows it; a file may hold any. */
export function shownValue(value: unknown): string {
  const nested = (item: unknown) => typeof item === 'object' && item !== null;
  if (nested(value) && (!Array.isArray(value) || value.length > MAX_SHOWN || value.some(nested))) {
    return Array.isArray(value) ? `a list of ${value.length}` : 'an object';
  }
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > MAX_SHOWN ? `${shown.slice(0, MAX_SHOWN)}...` : shown;
}

function toNumber(value: unknown): number {
  if (typeof value === 'string' && numberPattern.test(value.trim())) {
    value = Number(value);
  }
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new ValueError('is not a number');
  }
  return value;
}

function toText(value: unknown): string {
  if (typeof value !== 'string' || value.trim() === '') {
    throw new ValueError('is not a piece of text');
  }
  return value;
}

function list(value: unknown): unknown[] {
  if (Array.isArray(value)) {
    return value;
  }
  return typeof value === 'string' ? value.split(',').map((part) => part.trim()) : [value];
}

/** Reads any text. */
export const text: Reader<string> = toText;

/** Reads one of a few words. */
export function oneOf<const T extends string>(...choices: T[]): Reader<T> {
  return (value) => {
    const found = choices.find((choice) => choice === value);
    if (found === undefined) {
      throw new ValueError(`is not one of ${choices.join(', ')}`);
    }
    return found;
  };
}

/** Reads what is found out of layers: what seems right, always the sensitivities, or all; a flag alone is always. */
export const layersChoice: Reader<AnalyzeConfig['layers']> = (value) => {
  if (value === 'full') {
    return 'full';
  }
  if (value === true || value === 'always') {
    return 'always';
  }
  if (value === false || value === 'auto') {
    return 'auto';
  }
  throw new ValueError('is not one of always, auto, full');
};

/** Reads a whole number within bounds. */
export function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER): Reader<number> {
  return (value) => {
    const number = toNumber(value);
    if (!Number.isSafeInteger(number) || number < minimum || number > maximum) {
      const upTo =
        maximum === Number.MAX_SAFE_INTEGER ? `from ${minimum} on` : `from ${minimum} to ${maximum}`;
      throw new ValueError(`is not a whole number ${upTo}`);
    }
    return number;
  };
}

/** Reads a whole number or the word `all`. */
export function countOrAll(minimum: number): Reader<number | 'all'> {
  const count = wholeNumber(minimum);
  return (value) => {
    if (value === 'all') {
      return 'all';
    }
    try {
      return count(value);
    } catch {
      throw new ValueError(`is neither a whole number from ${minimum} on nor "all"`);
    }
  };
}

/** A text that ends in a percent sign without it; any other value as it is. */
function withoutPercent(value: unknown): { value: unknown; percent: boolean } {
  const percent = typeof value === 'string' && value.trim().endsWith('%');
  return { value: percent ? (value as string).trim().slice(0, -1).trimEnd() : value, percent };
}

/** Reads percentage points, which may bear a percent sign: `0.5%` is half a point. */
export function percentagePoints(read: Reader<number>): Reader<number> {
  return (value) => read(withoutPercent(value).value);
}

/** Reads a number above 0. */
export const positiveNumber: Reader<number> = (value) => {
  const number = toNumber(value);
  if (number <= 0) {
    throw new ValueError('is not above 0');
  }
  return number;
};

/** Reads a number within bounds, both included. */
export function numberBetween(minimum: number, maximum: number): Reader<number> {
  return (value) => {
    const number = toNumber(value);
    if (number < minimum || number > maximum) {
      throw new ValueError(`is not between ${minimum} and ${maximum}`);
    }
    return number;
  };
}

/** Reads a number that is not negative. */
export const nonNegativeNumber: Reader<number> = (value) => {
  const number = toNumber(value);
  if (number < 0) {
    throw new ValueError('is negative');
  }
  return number;
};

/** A pruned fraction in [0, 1), or the same as a percentage: `90%`. */
export const prunedFraction: Reader<number> = (value) => {
  const given = withoutPercent(value);
  const number = toNumber(given.value) / (given.percent ? 100 : 1);
  if (number < 0 || number >= 1) {
    throw new ValueError(
      'is not in [0, 1), nor from 0% to below 100%; it is the fraction of weights to prune',
    );
  }
  return number;
};

/** Pruned fractions, ascending and without repeats. */
export const prunedFractions: Reader<number[]> = (value) => {
  const fractions = list(value).map((part) => {
    try {
      return prunedFraction(part);
    } catch (error) {
      throw new ValueError(`has the part ${shownValue(part)}, which ${(error as Error).message}`);
    }
  });
  return [...new Set(fractions)].sort((a, b) => a - b);
};

/** Reads a comma-separated list of positive whole numbers. */
export const wholeNumbers: Reader<number[]> = (value) => list(value).map(wholeNumber(1));

/** Factors on weights, ascending and without repeats. */
export const factors: Reader<number[]> = (value) => {
  const numbers = list(value).map(toNumber);
  const wrong = numbers.find((number) => !(number >= 1e-3 && number <= 1e3));
  if (wrong !== undefined) {
    throw new ValueError(`has the factor ${wrong}, which is not between 0.001 and 1000`);
  }
  return [...new Set(numbers)].sort((a, b) => a - b);
};

/** Structured patterns by their full names, without repeats. */
export const patterns: Reader<string[]> = (value) => [
  ...new Set(
    list(value).map((part) => {
      const pattern = typeof part === 'string' ? readPattern(part) : null;
      if (pattern === null) {
        throw new ValueError(
          `has the part ${shownValue(part)}, which is neither KEPT:GROUP, such as 2:4, nor channel:SHARE, such as channel:50%`,
        );
      }
      return pattern.name;
    }),
  ),
];

/** Reads one glob or several. */
export const globs: Reader<string[]> = (value) => (Array.isArray(value) ? value : [value]).map(toText);

/** Reads an even whole number from 2 on. */
export const evenNumber: Reader<number> = (value) => {
  const number = toNumber(value);
  if (!Number.isSafeInteger(number) || number < 2 || number % 2 !== 0) {
    throw new ValueError('is not an even whole number from 2 on');
  }
  return number;
};

/** `M[,M..]/S[,S..]` or `{mean, std}`: as many deviations as means, each above 0. */
export const normalization: Reader<NormalizeConfig> = (value) => {
  let means: unknown;
  let deviations: unknown;
  if (typeof value === 'string') {
    const parts = value.split('/');
    if (parts.length !== 2) {
      throw new ValueError('is not MEANS/DEVIATIONS');
    }
    [means, deviations] = parts;
  } else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const unknownKey = Object.keys(value).find((key) => key !== 'mean' && key !== 'std');
    if (unknownKey !== undefined) {
      throw new ValueError(`has the unknown key ${shownValue(unknownKey)}; known are mean, std`);
    }
    ({ mean: means, std: deviations } = value as { mean?: unknown; std?: unknown });
  } else {
    throw new ValueError('is not MEANS/DEVIATIONS');
  }
  const mean = list(means).map(toNumber);
  const std = list(deviations).map(toNumber);
  if (std.some((deviation) => deviation <= 0)) {
    throw new ValueError('has a standard deviation that is not above 0');
  }
  if (mean.length !== std.length) {
    throw new ValueError(`has ${mean.length} means but ${std.length} deviations`);
  }
  return { mean, std };
};

/** `batch-std`, a loss difference, or a percentage of the dense loss. */
export const epsilon: Reader<EpsilonConfig> = (value) => {
  if (value === 'batch-std') {
    return { rule: 'batch-std' };
  }
  const { value: given, percent } = withoutPercent(value);
  let number: number;
  try {
    number = toNumber(given);
  } catch {
    throw new ValueError('is neither "batch-std", nor a number, nor a percentage');
  }
  if (number <= 0) {
    throw new ValueError('is not above 0');
  }
  return { rule: percent ? 'percent' : 'absolute', value: number };
};

const unitBytes: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  K: 2 ** 10,
  KB: 1e3,
  KIB: 2 ** 10,
  M: 2 ** 20,
  MB: 1e6,
  MIB: 2 ** 20,
  G: 2 ** 30,
  GB: 1e9,
  GIB: 2 ** 30,
  T: 2 ** 40,
  TB: 1e12,
  TIB: 2 ** 40,
};

/** Bytes; `512M` and `512MiB` are binary units, `512MB` is decimal. */
export const memorySize: Reader<number> = (value) => {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  const match = /^(\d+\.?\d*|\.\d+)\s*([a-z]*)$/i.exec(text.trim());
  const unit = match === null ? undefined : unitBytes[match[2]!.toUpperCase()];
  if (match === null || unit === undefined) {
    throw new ValueError('is not a size');
  }
  const bytes = Math.floor(Number(match[1]) * unit);
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw new ValueError('is not a size from 1 byte on');
  }
  return bytes;
};

/** Reads a flag. */
export const yesOrNo: Reader<boolean> = (value) => {
  if (value === true || value === 'yes') {
    return true;
  }
  if (value === false || value === 'no') {
    return false;
  }
  throw new ValueError('is not true or false');
};

/** Reads random changes of images: `crop=4`, `flip` or both with a comma between. */
export const augmentation: Reader<{ cropPadding: number; flip: boolean }> = (value) => {
  const result = { cropPadding: 0, flip: false };
  for (const part of list(value).map(toText)) {
    const [, padding] = /^crop=(\d{1,3})$/.exec(part) ?? [];
    if (padding !== undefined) {
      result.cropPadding = Number(padding);
    } else if (part === 'flip') {
      result.flip = true;
    } else {
      throw new ValueError('is not a list of crop=N and flip');
    }
  }
  return result;
};
