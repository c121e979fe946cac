import { cbs } from './cbs.js';
import { chita, chitaStages } from './chita.js';
import { layerMagnitude } from './layer-magnitude.js';
import { magnitude } from './magnitude.js';
import type { PruningMethod } from './method.js';
import type { OneShotMethodName } from './names.js';
import { compensated, newton } from './newton.js';
import { obc } from './obc.js';
import { random } from './random.js';
import { saliency } from './saliency.js';
import { smartRatio } from './smart-ratio.js';
import { snip } from './snip.js';
import { synflow } from './synflow.js';
import { woodfisher } from './woodfisher.js';

/** Every pruning method that does not train by its name on the command line. */
export const pruningMethods: Readonly<Record<OneShotMethodName, PruningMethod>> = {
  magnitude,
  'layer-magnitude': layerMagnitude,
  random,
  saliency,
  snip,
  synflow,
  'smart-ratio': smartRatio,
  woodfisher,
  chita,
  'chita++': chitaStages,
  cbs,
  obc,
  newton,
  compensated,
};
