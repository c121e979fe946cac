/** `--resume` and `--keep-state`: options of a run, which no configuration file can name. */
import { rm } from 'node:fs/promises';
import type { Command } from 'commander';
import type { ResumeOptions } from '../config.js';
import { InputError } from '../errors.js';
import { addOption } from './options.js';
import type { Output } from './output.js';
import { type Flags, pathFrom } from './resolve-config.js';
import { readSetting, type Setting } from './settings.js';
import { refuseStdout } from './standard-streams.js';
import * as read from './values.js';

const resumeSetting: Setting<string> = {
  option: 'resume',
  value: 'FILE',
  help: 'keep what is computed in this file, and go on from there when the run was stopped; removed when it succeeds',
  examples: ['analysis.state'],
  read: read.text,
};

/** Names of the options, in camelCase. */
export const resumeOptionNames = ['resume', 'keepState'] as const;

/** Adds the options to a command, in a group of its help. */
export function addResumeOptions(command: Command, group: string): void {
  command.optionsGroup(group);
  addOption(command, resumeSetting as Setting<unknown>);
  command.option(
    '--keep-state',
    'leave the file of --resume there, for runs with other --epsilon, --ratios, --tolerance or --steps',
  );
}

/**
 * Where an analysis keeps its results; null where it does not.
 *
 * @param cwd the prefix of relative paths
 * @throws InputError for `--keep-state` alone
 */
export function readResume(flags: Flags, cwd: string): ResumeOptions | null {
  if (flags.resume === undefined) {
    if (flags.keepState) {
      throw new InputError('usage/keep-state', '--keep-state: goes with --resume FILE, which names the file');
    }
    return null;
  }
  const file = readSetting(resumeSetting, flags.resume, null);
  refuseStdout({ '--resume': file });
  return { file: pathFrom(cwd, file), keep: flags.keepState === true };
}

/** The state file as something that is written. */
export function resumeOutputs(resume: ResumeOptions | null): Output[] {
  return resume === null ? [] : [{ option: '--resume', path: resume.file }];
}

/** Removes the state of an analysis whose result is where it was to go, unless it is to stay. */
export async function endResume(resume: ResumeOptions | null): Promise<void> {
  if (resume !== null && !resume.keep) {
    await rm(resume.file, { force: true });
  }
}
