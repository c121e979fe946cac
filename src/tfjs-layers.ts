/** tfjs-layers, required as `tfjs-core.ts` says. */
import { createRequire } from 'node:module';
import type * as Library from '@tensorflow/tfjs-layers';

export type { LayersModel, Sequential, SymbolicTensor } from '@tensorflow/tfjs-layers';

/** Everything the library exports. */
export const library = createRequire(import.meta.url)('@tensorflow/tfjs-layers') as typeof Library;

export const { initializers, input, layers, loadLayersModel, model, sequential } = library;
