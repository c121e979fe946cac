import { type Colors, gridLines, type Page, paragraph, standardPage } from './layout.js';
import * as text from './text.js';

/** What `train` knows by name. */
export interface TrainList {
  networks: {
    name: string;
    description: string;
    /** Where the architecture is from. */
    source: string;
    /** Shape of an example of the data that it is usually trained on, channels last, and how many classes that has. */
    input: readonly number[];
    classes: number;
    /** For that data. */
    prunableWeights: number;
  }[];
  recipes: {
    name: string;
    title: string;
    network: string;
    data: string;
    epochs: number;
    l1: number;
    source: string;
    /** Whether there is code that the settings were published with. */
    published: boolean;
  }[];
}

/** The networks and recipes, as text for a terminal. */
export function renderTrainList(list: TrainList, colors: Colors, page: Page = standardPage): string {
  const lines = [
    colors.bold('Networks'),
    ...gridLines(
      {
        head: ['network', 'input', 'prunable weights', 'layers'],
        rows: list.networks.map(({ name, input, prunableWeights, description }) => [
          name,
          input.join('x'),
          text.whole(prunableWeights),
          description,
        ]),
        numeric: [2],
      },
      colors,
      page,
    ),
    '',
    colors.bold('Recipes'),
    ...gridLines(
      {
        head: ['recipe', 'network', 'data set', 'epochs', 'l1', 'source'],
        rows: list.recipes.map(({ name, network, data, epochs, l1, source }) => [
          name,
          network,
          data,
          String(epochs),
          l1 === 0 ? '0' : l1.toExponential(),
          source,
        ]),
        numeric: [3, 4],
      },
      colors,
      page,
    ),
    ...paragraph(
      'Weights are counted for the input shown. Zhang 2024: settings of the code of Zhang et al. 2024. IMP: iterative magnitude pruning in Sreenivasan et al. 2022. ours: no settings are published.',
      page,
    ),
  ];
  return `${lines.join('\n')}\n`;
}
