/** The types every data format is read into. */

/** Data formats that can be read. */
export type DatasetFormat = 'idx' | 'cifar-10' | 'cifar-100' | 'npz' | 'csv' | 'images' | 'parquet';

/**
 * How the numbers of one example are ordered: `NHWC` images with channels last (also grey images of
 * shape `[height, width]`), `NCHW` images with channels first, `flat` anything else.
 */
export type Layout = 'NHWC' | 'NCHW' | 'flat';

/** The two orders of images. */
export type ImageLayout = Exclude<Layout, 'flat'>;

/** What the examples of a split are labelled with, one label an example, in the order of the examples. */
export type Labels =
  | {
      kind: 'classes';
      /** Class numbers, each in `[0, classCount)`. */
      values: Int32Array;
      /** The same for both splits of a dataset. */
      classCount: number;
    }
  | {
      kind: 'targets';
      /** `count * width` numbers, example by example. */
      values: Float32Array;
      /** Numbers per example. */
      width: number;
    };

/** One part (training or test) of a dataset, as stored. */
export interface Split {
  /** Number of examples, at least 1. */
  count: number;
  /** Shape of one example as stored, without the batch dimension. */
  shape: readonly number[];
  layout: Layout;
  /** `count * product(shape)` numbers, example by example. */
  values: Uint8Array | Float32Array;
  /** The values are bytes of an image: they become floats by division by 255. */
  byteImages: boolean;
  labels: Labels;
}

/** A split whose labels are in memory, and whose examples are read when they are needed. */
export interface StreamedSplit extends Omit<Split, 'values'> {
  /** What the examples that are in memory at a time may take, in bytes. */
  memoryBytes: number;
  /**
   * Reads some examples into memory, as a split of their own in the same form.
   *
   * @param order their indices, in the order wanted, repeats allowed
   * @throws InputError where one cannot be read, is damaged or is another than when the data was opened
   */
  read(order: Int32Array): Promise<Split>;
}

/** A split, wherever its examples are. */
export type StoredSplit = Split | StreamedSplit;

/** A dataset whose splits are in memory, or streamed where they are too large for that. */
export interface StoredDataset extends Omit<Dataset, 'train' | 'test'> {
  train: StoredSplit | null;
  test: StoredSplit | null;
}

/** A dataset in memory. At least one of the splits is present. */
export interface Dataset {
  /** Where it was read from, as given. */
  path: string;
  format: DatasetFormat;
  train: Split | null;
  test: Split | null;
  /** One line each: what was assumed, or what is missing without being an error. */
  warnings: string[];
}

/** What a person may say about data that does not say it itself. */
export interface ReadDatasetOptions {
  /** csv and parquet: the name of the label column, or its 0-based index; CIFAR-100: `coarse` or `fine`, the default. */
  labelColumn?: string;
  /** How images of rank 3 are stored in an npz; the other formats of images have an order of their own. */
  layout?: ImageLayout;
  /** What decoded images and the numbers of a table may take, in bytes; no limit without it. */
  memoryBytes?: number;
}
