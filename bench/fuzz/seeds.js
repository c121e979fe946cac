/** Small valid files of every format, the same in every run. */
export * from './seeds/basics.js';
export * from './seeds/data.js';
export * from './seeds/layers.js';
export * from './seeds/onnx.js';
export * from './seeds/settings.js';
export * from './seeds/weights.js';
