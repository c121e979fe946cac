/**
 * The programming interface: `analyze`, `prune` and `study` as on the command line, with
 * its options in camelCase. They print nothing. Relative paths start at the
 * working directory, and what is not given comes from the same places.
 */
import { AsyncResource } from 'node:async_hooks';
import { analyzeSettings } from './cli/analyze-settings.js';
import type { Surroundings } from './cli/context.js';
import { lazyWork } from './cli/host.js';
import { analyzeModel } from './cli/model-analysis.js';
import { analyzeOptionNames, pruneOptionNames, studyOptionNames } from './cli/option-names.js';
import { pruneModel } from './cli/prune-command.js';
import type { Flags } from './cli/resolve-config.js';
import { endResume, readResume, resumeOptionNames } from './cli/resume-options.js';
import { readFlags } from './cli/settings.js';
import { readStudyConfig } from './cli/study-config.js';
import { suggestion } from './cli/suggestion.js';
import { InputError } from './errors.js';
import { withoutLibraryOutput } from './library-output.js';
import type { AnalyzeOptions, OnProgress, PruneOptions, StudyOptions } from './options.js';
import type { Progress } from './progress.js';
import type { PruneSummary } from './report/prune-summary.js';
import type { Report } from './report/schema.js';
import type { StudyResult } from './report/study-schema.js';
import { STUDY_NAMES } from './study/names.js';

export type {
  AnalyzeOptions,
  DataOptions,
  OnProgress,
  ProgressUpdate,
  PruneOptions,
  StudyOptions,
} from './options.js';
export type { PruneSummary, Report, StudyResult };
export { InputError };

const optionList =
  'the options are those that prune-limit analyze --help, prune --help and study --help list, in camelCase';

function checkNames(given: Readonly<Record<string, unknown>>, known: readonly string[]): void {
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new InputError('usage/unknown-option', `unknown option ${suggestion(unknown, known, optionList)}`);
  }
}

function progressFor(onProgress: OnProgress | undefined): Progress {
  // What the callback prints is the caller's: it runs where the caller is.
  const tell = onProgress === undefined ? () => {} : AsyncResource.bind(onProgress);
  return {
    stage: (stage, total) => {
      let done = 0;
      let ended = false;
      const report = (): void => tell({ kind: 'stage', stage, done, total, ended });
      report();
      return {
        update: (amount) => {
          if (!ended) {
            done = amount;
            report();
          }
        },
        end: () => {
          if (!ended) {
            ended = true;
            report();
          }
        },
      };
    },
    note: (message) => tell({ kind: 'note', message }),
    unwritten: ({ message }) => tell({ kind: 'note', message }),
  };
}

const surroundings: Surroundings = { host: process, work: lazyWork, cwd: '' };

/** tfjs has one engine in a process: calls wait for each other. */
let previous: Promise<unknown> = Promise.resolve();

function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  const result = previous.then(() => withoutLibraryOutput(work));
  previous = result.catch(() => {});
  return result;
}

/**
 * Analyses a model: how far it can be pruned in theory, and how far one-shot
 * magnitude pruning of it goes. Calls at the same time are carried out one
 * after the other.
 *
 * @param onProgress told how far the work is, and what is worth a note
 * @returns the report that `analyze --format json` prints
 * @throws InputError when an option, the model or the data cannot be used
 */
export async function analyze(options: AnalyzeOptions, onProgress?: OnProgress): Promise<Report> {
  const { model, ...given } = options;
  checkNames(given, [...analyzeOptionNames, ...resumeOptionNames]);
  const { resume: _file, keepState: _keep, ...flags } = given;
  readFlags(analyzeSettings, flags as Flags);
  const resume = readResume(given as Flags, surroundings.cwd);
  const progress = progressFor(onProgress);
  return inTurn(async () => {
    const report = await analyzeModel(model, flags as Flags, surroundings, progress, [], [], resume);
    await endResume(resume);
    return report;
  });
}

/**
 * Sets the smallest weights of a model to 0 and writes the result; the model
 * that is read stays as it is.
 *
 * @param onProgress as of {@link analyze}
 * @returns what was pruned and written
 * @throws InputError as {@link analyze}, and when the output cannot be written
 */
export async function prune(options: PruneOptions, onProgress?: OnProgress): Promise<PruneSummary> {
  const { model, ...flags } = options;
  checkNames(flags, [...analyzeOptionNames, ...pruneOptionNames]);
  const progress = progressFor(onProgress);
  return inTurn(() => pruneModel(model, flags as Flags, surroundings, progress));
}

/**
 * Carries out an experiment of the paper. Cells are kept in `output` and are not computed again; the files of the
 * result, which the command line writes there, are the caller's to write.
 *
 * @param onProgress as of {@link analyze}
 * @returns the result that `study --format json` prints
 * @throws InputError as {@link analyze}, and when a cell cannot be kept
 */
export async function study(options: StudyOptions, onProgress?: OnProgress): Promise<StudyResult> {
  const { name, ...flags } = options;
  if (!STUDY_NAMES.includes(name)) {
    throw new InputError(
      'usage/study',
      `unknown study ${suggestion(String(name), STUDY_NAMES, `there are ${STUDY_NAMES.join(', ')}`)}`,
    );
  }
  checkNames(flags, studyOptionNames);
  const progress = progressFor(onProgress);
  return inTurn(async () =>
    lazyWork.study(await readStudyConfig(name, flags as Flags, surroundings, progress), progress),
  );
}
