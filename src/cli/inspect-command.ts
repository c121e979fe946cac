import type { Command } from 'commander';
import type { Context } from './context.js';
import { addOutputOptions, outputFormat } from './options.js';
import { pathFrom } from './resolve-config.js';
import { readSetting } from './settings.js';
