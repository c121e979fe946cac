/** Where commands write a model that they read and changed. */
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { fileToWrite } from '../checkpoint/files.js';
import { checkOutputFile, checkOutputFolder } from './output.js';

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/**
 * Where the checkpoint goes, checked: a folder, or the file of an ONNX model.
 *
 * @param output as `--output` names it
 * @param checkpoint the model that is read
 * @param weights a file that is read in place of its weights; null: there is none
 * @returns the folder, or the file
 * @throws InputError
 */
export async function checkModelOutput(
  output: string,
  { format, path }: Pick<Checkpoint, 'format' | 'path'>,
  weights: string | null,
): Promise<string> {
  if (format !== 'onnx') {
    for (const input of weights === null ? [path] : [path, weights]) {
      await checkOutputFolder('--output', output, dirname(input));
    }
    return output;
  }
  const file = await fileToWrite(output, basename(path));
  const intoFolder = file !== output;
  if (intoFolder) await checkOutputFolder('--output', output, null);
  // A folder that is to be made holds no file yet.
  if (!intoFolder || (await exists(output))) await checkOutputFile('--output', file);
  return file;
}
