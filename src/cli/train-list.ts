/** `train --list`: the networks and recipes that are known by name. */
import type { TrainList } from '../report/train-list.js';
import { readRecipe, recipeNames, recipeSettings } from '../training/recipes.js';
import { zooCatalogue, zooNames } from '../training/zoo/catalogue.js';

/** All networks and recipes; of a recipe what is meant. Loads no numeric library. */
export function trainList(): TrainList {
  return {
    networks: zooNames.map((name) => {
      const { description, source, usualData, prunableWeights } = zooCatalogue[name];
      const { exampleShape: input, classes } = usualData;
      return { name, description, source, input, classes, prunableWeights };
    }),
    recipes: recipeNames()
      .map(readRecipe)
      .filter((recipe) => recipe !== null)
      .map((recipe) => {
        const { name, title, data, source, published } = recipe;
        const { network, epochs, l1 } = recipeSettings(recipe, 'meant');
        return {
          name,
          title,
          network,
          data: 'value' in data ? data.value : data.meant,
          epochs,
          l1,
          source,
          published,
        };
      }),
  };
}
