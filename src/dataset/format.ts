/** What a data format offers, so that the registry can find and read it. */

import type { Dataset, ReadDatasetOptions, StoredDataset } from './dataset.js';
import type { SourceFile } from './source/file.js';
import type { SourceFolder } from './source/folder.js';
import type { Source } from './source/open.js';

/** Whether a folder holds a format; `perhaps` gives way to any other format that is there. */
export type Match = 'yes' | 'perhaps' | 'no';

/** What a person may say that not every format listens to. */
export type FormatOption = 'labelColumn' | 'layout';

/** A data format. */
export interface Format {
  /** For messages. */
  name: string;
  /** Options that mean something for the format. */
  options: readonly FormatOption[];
  matchesFile(file: SourceFile): boolean;
  matchesFolder(folder: SourceFolder): Match | Promise<Match>;
  /** Reads what matched; throws an InputError when it is damaged or inconsistent. */
  read(source: Source, options: ReadDatasetOptions): Promise<Dataset>;
  /** The same, but what takes more than `memoryBytes` is streamed, with a warning that says so. */
  open?(source: Source, options: ReadDatasetOptions): Promise<StoredDataset>;
}
