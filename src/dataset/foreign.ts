/** Files that people have at hand and that are not read, by their first bytes: what they are, and what to do. */

import { InputError } from '../errors.js';
import { startsWith } from '../formats/signature.js';
import { firstMemberName } from '../formats/zip.js';
import type { SourceFile } from './source/file.js';

type Sniffed = Pick<SourceFile, 'name' | 'head'>;

interface ForeignKind {
  matches(file: Sniffed): boolean;
  /** To follow the name of the file. */
  what: string;
  remedy: string;
}

const AS_NPZ = 'save its arrays with numpy.savez(path, x_train=..., y_train=...)';

/** Pickles of protocol 2 to 5; older ones are text. */
const isPickle = ({ head }: Sniffed): boolean => head[0] === 0x80 && head[1] >= 2 && head[1] <= 5;

/** By its mark, or as every other byte of Latin text is 0. */
function isUtf16({ head }: Sniffed): boolean {
  if (startsWith(head, [0xff, 0xfe]) || startsWith(head, [0xfe, 0xff])) {
    return true;
  }
  const start = head.subarray(0, 16);
  const isText = (byte: number): boolean =>
    (byte >= 32 && byte < 127) || byte === 9 || byte === 10 || byte === 13;
  return (
    start.length === 16 &&
    [0, 1].some((odd) => start.every((byte, i) => (i % 2 === odd ? isText(byte) : byte === 0)))
  );
}

/** The opening of an object, or of an array of objects, arrays, strings or numbers. */
function isJson({ head }: Sniffed): boolean {
  return /^\ufeff?\s*(\{\s*["}]|\[\s*[[{"\d\]-])/.test(
    new TextDecoder('utf-8', { ignoreBOM: true }).decode(head),
  );
}

/** The archive of a PyTorch file has a pickle and what belongs to it in one folder; older files are pickles of a number. */
const isPyTorch = (file: Sniffed): boolean =>
  /(^|\/)(data\.pkl|constants\.pkl|\.format_version|\.data\/|byteorder)/.test(firstMemberName(file.head)) ||
  (isPickle(file) && startsWith(file.head.subarray(2), [0x8a, 0x0a, 0x6c, 0xfc, 0x9c]));

const textOf = ({ head }: Sniffed): string => Buffer.from(head).toString('latin1');

/** The first line that is no comment declares the relation. */
function isArff(file: Sniffed): boolean {
  const first = textOf(file)
    .split('\n')
    .find((line) => !/^\s*(?:%|$)/.test(line));
  return first !== undefined && /^\s*@relation\s/i.test(first);
}

const KINDS: readonly ForeignKind[] = [
  { matches: isUtf16, what: 'is UTF-16 text', remedy: 'save it as UTF-8' },
  {
    matches: isJson,
    what: 'is JSON',
    remedy: 'write a CSV file with a column for each feature and one for the label',
  },
  {
    matches: isArff,
    what: 'is an ARFF file (Weka)',
    remedy: 'save its rows as CSV, with the names of the attributes as header',
  },
  {
    matches: (file) => /^[-+]?\d+(?:\.\d+)?(?: +\d+:[-+.\deE]+){2,}\s/.test(textOf(file)),
    what: "is in LIBSVM's sparse format",
    remedy: 'write a CSV file with a column for each feature and one for the label',
  },
  {
    matches: isPyTorch,
    what: 'is a PyTorch file',
    remedy: 'load it there and save its tensors with numpy.savez(path, x_train=x.numpy(), y_train=y.numpy())',
  },
  {
    matches: (file) =>
      isPickle(file) && /(^|[\\/])(data_batch_\d+|test_batch|batches\.meta|train|test|meta)$/.test(file.name),
    what: "belongs to CIFAR's python version, pickles that can run code and are never loaded",
    remedy:
      'take the binary version (cifar-10-binary.tar.gz) from https://www.cs.toronto.edu/~kriz/cifar.html',
  },
  {
    matches: isPickle,
    what: 'is a Python pickle, which can run code and is never loaded',
    remedy: AS_NPZ,
  },
  {
    matches: (file) => /^(\[Content_Types\]\.xml|_rels\/|docProps\/|xl\/)/.test(firstMemberName(file.head)),
    what: 'is an Excel workbook',
    remedy: 'save its sheet as CSV',
  },
  {
    matches: ({ head, name }) => startsWith(head, [0xd0, 0xcf, 0x11, 0xe0]) && /\.xls$/i.test(name),
    what: 'is an Excel workbook',
    remedy: 'save its sheet as CSV',
  },
  {
    matches: ({ head }) => startsWith(head, [0x89, 0x48, 0x44, 0x46]),
    what: 'is an HDF5 file',
    remedy: AS_NPZ,
  },
];

/** The refusal of a file that is known and not read; null for any other. */
export function foreignFile(file: SourceFile): InputError | null {
  const kind = KINDS.find(({ matches }) => matches(file));
  return kind ? new InputError('dataset/format', `${file.path}: ${kind.what}; ${kind.remedy}`) : null;
}
