/** What `train --recipe` stands for, and what options change of it. */
import { type TrainConfig, trainDefaults } from '../config.js';
import { InputError } from '../errors.js';
import type { RecipeReading, RecipeSettings } from '../training/recipes.js';
import type { Flags } from './resolve-config.js';
import { readFlags, readSetting, type Setting, settingKey } from './settings.js';
import { suggestion } from './suggestion.js';
import { trainSettings } from './train-settings.js';
import * as read from './values.js';

/** `--recipe` of `train`. */
export const recipeSetting: Setting<string> = {
  option: 'recipe',
  value: 'NAME',
  help: 'published settings, network included; options go before them. --list names the recipes',
  examples: ['fc5-cifar10'],
  read: read.text,
};

/**
 * `--recipe-as` of `train`. What was meant is the default: the schedules that the code of Zhang et al. 2024 takes are
 * slips (a rate that swings 200 times, milestones without effect), which nobody would choose to train with.
 */
export const recipeReadingSetting: Setting<RecipeReading> = {
  option: 'recipe-as',
  value: 'coded|meant',
  help: 'where the code of a recipe does not do what its settings say: coded to reproduce its runs, or meant to train as intended, without its slips',
  defaultText: 'meant',
  examples: ['coded', 'meant'],
  read: read.oneOf('coded', 'meant'),
};

/** Settings that recipes leave alone and that change what is trained. */
const BESIDES = ['hidden', 'width', 'l2', 'labelSmoothing', 'targetLoss', 'targetAccuracy'] as const;

/** Settings of a recipe, and what is said of it. */
export interface ChosenRecipe {
  settings: RecipeSettings;
  /** The data set that it is for. */
  data: string;
  recipe: NonNullable<TrainConfig['recipe']>;
}

/** The options that differ from the recipe, as they were given. */
function overridden(settings: RecipeSettings, network: TrainConfig['network'], flags: Flags): string[] {
  const given: Partial<TrainConfig> = readFlags(trainSettings, flags);
  const expected = { ...trainDefaults, ...settings };
  const keys = [...Object.keys(settings), ...BESIDES].filter((key) => key !== 'network');
  const changed = (keys as (keyof typeof trainSettings)[]).filter(
    (key) => given[key] !== undefined && JSON.stringify(given[key]) !== JSON.stringify(expected[key]),
  );
  return [
    ...(given.from == null ? [] : [`--from ${given.from}`]),
    ...(network === null || network === settings.network ? [] : [`network ${network}`]),
    ...changed.map((key) => {
      const setting: Setting<never> = trainSettings[key] as Setting<never>;
      const value = flags[settingKey(setting)];
      return `--${setting.option}${value === true ? '' : ` ${value}`}`;
    }),
  ];
}

/**
 * The recipe that options name; null without one.
 *
 * @param network the one that was named besides, which goes before the recipe's
 * @throws InputError for an unknown name, or a reading that there is none of
 */
export async function chosenRecipe(
  network: TrainConfig['network'],
  flags: Flags,
): Promise<ChosenRecipe | null> {
  const reading =
    flags.recipeAs === undefined ? null : readSetting(recipeReadingSetting, flags.recipeAs, null);
  if (flags.recipe === undefined) {
    if (reading !== null) {
      throw new InputError(
        'usage/recipe',
        '--recipe-as goes with --recipe, for example --recipe fc5-cifar10',
      );
    }
    return null;
  }
  const name = readSetting(recipeSetting, flags.recipe, null);
  const { readRecipe, recipeNames, recipeSettings } = await import('../training/recipes.js');
  const found = readRecipe(name);
  if (found === null) {
    throw new InputError(
      'usage/recipe',
      `--recipe: unknown recipe ${suggestion(name, recipeNames(), 'prune-limit train --list shows all')}`,
    );
  }
  if (reading === 'coded' && !found.published) {
    throw new InputError(
      'usage/recipe',
      `--recipe-as coded: the settings of ${name} are not published with code; leave --recipe-as away`,
    );
  }
  const as = reading ?? 'meant';
  const settings = recipeSettings(found, as);
  const { data } = found;
  return {
    settings,
    data: 'value' in data ? data.value : data[as],
    recipe: { name, as, overridden: overridden(settings, network, flags) },
  };
}
