/** The options of the commands by the names that programs and configuration files use: in camelCase. */
import { analyzeSettings, configSetting, weightsSetting } from './analyze-settings.js';
import { settingKey } from './settings.js';

/** Options of `analyze`, those of a terminal apart. */
export const analyzeOptionNames: readonly string[] = [
  weightsSetting,
  configSetting,
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
