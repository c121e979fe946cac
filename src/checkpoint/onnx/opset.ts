/** Versions of the ONNX operators that models and functions import. */
import { InputError } from '../../errors.js';
import { printable } from '../printable.js';
import { operatorDomain } from './nodes.js';
import { integerOf, messagesOf, textOf, type WireMessage, type WireSource } from './wire.js';

/** Operators took their attributes and broadcasting of today with opset 7 (ONNX 1.2, 2018). */
const MIN_OPSET = 7;

function versionsOf(source: WireSource, importer: WireMessage): number[] {
  return messagesOf(importer, 'opsetImport')
    .filter((message) => operatorDomain(textOf(source, message, 'domain')) === '')
    .map((message) => integerOf(source, message, 'version'));
}

/**
 * The version of the default operators that a model or function imports; null where it imports none.
 *
 * @throws InputError `checkpoint/unsupported-opset` for one that is not read, or for several
 */
export function importedOpset(source: WireSource, importer: WireMessage): number | null {
  const versions = versionsOf(source, importer);
  if (versions.length === 0) return null;
  const [version] = versions;
  if (version! >= MIN_OPSET && versions.every((other) => other === version)) return version!;
  throw unsupported(source, `version ${printable(versions.join(' and '))}`);
}

/**
 * The version that a model imports.
 *
 * @throws InputError `checkpoint/unsupported-opset` also where there is none
 */
export function modelOpset(source: WireSource, model: WireMessage): number {
  const version = importedOpset(source, model);
  if (version === null) throw unsupported(source, 'no version');
  return version;
}

function unsupported({ path }: WireSource, found: string): InputError {
  return new InputError(
    'checkpoint/unsupported-opset',
    `${printable(path)} imports ${found} of the ONNX operators; supported is one from ${MIN_OPSET} on: ` +
      'export the model anew, or convert it with onnx.version_converter.',
  );
}
