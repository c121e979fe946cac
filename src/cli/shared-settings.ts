/** Settings of every command that reads data and computes. */
import { type AnalyzeConfig, analyzeDefaults } from '../config.js';
import type { Settings } from './settings.js';
import * as read from './values.js';

type DataSettings = Pick<AnalyzeConfig, 'data' | 'labelColumn' | 'layout' | 'normalize'>;
type EngineSettings = Pick<AnalyzeConfig, 'seed' | 'backend' | 'threads'>;

/** Which data, and how it is read. */
export const dataSettings: Settings<DataSettings> = {
  data: {
    option: 'data',
    value: 'PATH',
    help: 'data set: IDX, CIFAR, npz, CSV, Parquet or image folders',
    examples: ['data/mnist'],
    read: read.text,
    path: true,
  },
  labelColumn: {
    option: 'label-column',
    value: 'NAME',
    help: 'column of a CSV or Parquet file that holds the label; coarse or fine of CIFAR-100',
    defaultText: 'one called label, class, target or y; fine',
    examples: ['label', 'coarse'],
    read: read.text,
  },
  layout: {
    option: 'layout',
    value: 'NHWC|NCHW',
    help: 'order of images in an .npz, and for an input whose shape does not tell it',
    defaultText: 'by shape; then as stored for ONNX, else NHWC',
    examples: ['NHWC', 'NCHW'],
    read: read.oneOf('NHWC', 'NCHW'),
  },
  normalize: {
    option: 'normalize',
    value: 'M[,M..]/S[,S..]',
    help: 'mean and standard deviation per channel, after byte images are divided by 255',
    defaultText: 'none',
    examples: ['0.1307/0.3081', '0.49,0.48,0.45/0.25,0.24,0.26'],
    read: read.normalization,
  },
};

/** What computes. */
export const engineSettings: Settings<EngineSettings> = {
  seed: {
    option: 'seed',
    value: 'N',
    help: 'seed of every random choice',
    defaultText: String(analyzeDefaults.seed),
    examples: ['0'],
    read: read.wholeNumber(0, 2 ** 31 - 1),
  },
  backend: {
    option: 'backend',
    value: 'NAME',
    help: 'auto, tensorflow, onnx, onnx-web, wasm or cpu',
    defaultText: analyzeDefaults.backend,
    examples: ['auto', 'wasm'],
    read: read.oneOf('auto', 'tensorflow', 'onnx', 'onnx-web', 'wasm', 'cpu'),
  },
  threads: {
    option: 'threads',
    value: 'N',
    help: 'threads of the numeric library',
    defaultText: 'its own choice',
    examples: ['2'],
    read: read.wholeNumber(1, 1024),
  },
};
