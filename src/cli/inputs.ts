/** The files that a command reads, so that none of its outputs is written over one of them. */
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { filesBelow } from '../files-below.js';
import type { Surroundings } from './context.js';
import { type Flags, pathFrom } from './resolve-config.js';

/** Something that a command reads. */
export interface Input {
  /** What names it, for messages: `--data d`, `the model m.onnx`. */
  readonly name: string;
  /** Its files, asked for only where there is an output that could be one of them. */
  files(): Promise<readonly string[]>;
}

const CONFIG_FILE = 'prune-limit.json';
/** Bytes at the start of a report, Markdown or JSON, that say what it is. */
const HEAD_BYTES = 4096;

/** Whether a file is a report of prune-limit, which a folder of data may hold, too, and which is no data. */
async function isReport(path: string): Promise<boolean> {
  const handle = await open(path, 'r').catch(() => null);
  try {
    const { buffer, bytesRead } = (await handle?.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)) ?? {
      buffer: Buffer.alloc(0),
      bytesRead: 0,
    };
    const head = buffer.toString('utf8', 0, bytesRead);
    return /^# prune-limit /.test(head) || /^\{\s*"schemaVersion"[\s\S]*"name": "prune-limit"/.test(head);
  } finally {
    await handle?.close();
  }
}

/** The data that an option names: a file, or all below a folder but reports that prune-limit wrote there. */
export function dataInput(path: string): Input {
  return {
    name: `--data ${path}`,
    files: async () => {
      const files = await filesBelow(path);
      if (files.length === 1 && files[0] === path) {
        return files;
      }
      const own = await Promise.all(
        files.map((file) => /\.(json|md|markdown)$/i.test(file) && isReport(file)),
      );
      return files.filter((_, index) => !own[index]);
    },
  };
}

/** The configuration file that `--config` names, where a command has that option. */
export function configOption(flags: Flags, cwd: string): string | null {
  return typeof flags.config === 'string' ? pathFrom(cwd, flags.config) : null;
}

/** One file that an option names. */
export function fileInput(name: string, path: string): Input {
  return { name: `${name} ${path}`, files: async () => [path] };
}

/** What every command with a model reads: its files, the weight file, and configuration files where there are any. */
export function modelInputs(
  checkpoint: Checkpoint,
  { weights, config }: { weights: string | null; config: string | null },
  context: Surroundings,
): Input[] {
  const configs = [join(dirname(checkpoint.path), CONFIG_FILE), join(context.cwd, CONFIG_FILE)];
  return [
    {
      name: `the model ${checkpoint.path}`,
      files: async () => (await context.work.checkpointFiles(checkpoint, null)).read,
    },
    ...(weights === null ? [] : [fileInput('--weights', weights)]),
    ...(config === null ? [] : [fileInput('--config', config)]),
    ...configs.map((path): Input => ({ name: `the configuration file ${path}`, files: async () => [path] })),
  ];
}
