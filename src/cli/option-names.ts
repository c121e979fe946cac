/** The options of the commands by the names that programs and configuration files use: in camelCase. */
import {
  allowDriftSetting,
  analyzeSettings,
  configSetting,
  weightsSetting,
  workersSetting,
} from './analyze-settings.js';
import { settingKey } from './settings.js';
import { dataSettings, engineSettings } from './shared-settings.js';
import { studySettings } from './study-settings.js';

/** Options of `analyze`, those of a terminal apart. */
export const analyzeOptionNames: readonly string[] = [
  weightsSetting,
  configSetting,
  workersSetting,
  allowDriftSetting,
  ...Object.values(analyzeSettings),
].map(settingKey);

/** Options of `prune` besides those of `analyze`. */
export const pruneOptionNames: readonly string[] = [
  'ratio',
  'atLimit',
  'method',
  'calibration',
  'output',
  'report',
  'allocation',
  'gate',
  'sparse',
];

/** Options of `study`. */
export const studyOptionNames: readonly string[] = [
  ...[weightsSetting, ...Object.values(dataSettings), ...Object.values(engineSettings)].map(settingKey),
  ...Object.values(studySettings).map(settingKey),
  'quick',
];
