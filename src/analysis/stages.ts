/** The stages of an analysis, as progress names them, in order. No numeric library is needed to know them. */
export const analysisStages = {
  data: 'reading the data',
  selfCheck: 'checking derivatives',
  connected: 'following connections',
  compile: 'preparing products',
  dense: 'evaluating the network',
  gradient: 'gradient',
  spectrum: 'Lanczos products',
  slice: 'slice limit',
  curve: 'pruning curve',
  measured: 'measured limits',
  layers: 'layer sensitivities',
} as const;

/** Stages of what an analysis does only where it is asked for. */
export const askedStages = {
  layersFull: 'limits of single layers and allocations',
  patterns: 'patterns',
  rowNorms: 'rows of the curvature',
  tuned: 'retraining what is kept',
  compensated: 'compensating by what is kept',
} as const;

/** The stages of pruning, in order. */
export const pruningStages = { pruning: 'pruning', sizes: 'comparing sizes' } as const;

/** The stages of a compressed model that is measured beside its dense one, in order. */
export const prunedModelStages = {
  reading: 'reading the pruned model',
  weights: 'comparing weights',
  measuring: 'measuring the pruned model',
} as const;

/** The stages of pruning by a method that looks at data, in order. */
export const methodStages = {
  data: 'reading data, preparing programs',
  pruning: 'pruning',
  training: 'training what is kept',
  measuring: 'measuring what the method made',
} as const;
