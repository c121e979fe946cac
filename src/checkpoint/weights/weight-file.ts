/** Files that hold weights alone, without the network they belong to: safetensors and npz. */
import { createHash } from 'node:crypto';
import { InputError } from '../../errors.js';
import { decodeBfloat16, decodeFloat16 } from '../../float16.js';
import { NPY_SIGNATURE, type NpyArray, parseNpy } from '../../formats/npy.js';
import { startsWith } from '../../formats/signature.js';
import { type ArchiveLimits, unzipMembers, ZIP_SIGNATURE } from '../../formats/zip.js';
import { type CheckpointDtype, type CheckpointWeight, formatIndex } from '../checkpoint.js';
import { type CheckedFile, checkFile, readInto } from '../files.js';
import { printable, quoted } from '../printable.js';
import { looksLikeSafetensors, readSafetensorsData, readSafetensorsHeader } from './safetensors.js';

/** Enough for every signature. */
const SNIFFED_BYTES = 16;

/** An archive is read at once, and Node reads less than 2 GiB at once. */
const MAX_ARCHIVE_BYTES = 2 ** 31 - 1;

/** A deep network has some thousand weights; as many bytes as the shards of a model.json may have. */
const ARCHIVE_LIMITS: ArchiveLimits = { members: 65_536, totalBytes: 2 ** 31 };

/** One array of a weight file. */
export interface WeightEntry {
  /** Unique in its file. */
  name: string;
  shape: readonly number[];
  /** As the file says, e.g. `F32` or `<f4`. */
  dtype: string;
  /** Why the array cannot be read; it is an error only where the array is needed. */
  problem: InputError | null;
}

/** A weight file whose arrays are known and not yet read. */
export interface WeightFile {
  path: string;
  /** In the order of their data. */
  entries: readonly WeightEntry[];
  /** What the metadata of the file says in `key: value` texts, shared tensors among them: left-out name, kept name. */
  aliases: ReadonlyMap<string, string>;
  /**
   * Reads some arrays.
   *
   * Floats become float32: float64 is rounded to nearest, and a value that would become infinite is an error.
   * Integers are read for int32, booleans for bool; numbers of any kind for float64.
   *
   * @param wanted the dtype to read each array as, by its name
   * @returns row-major values by name, and the hex sha256 of the whole file
   * @throws InputError that names the file and the array
   */
  read(
    wanted: ReadonlyMap<string, CheckpointDtype | 'float64'>,
  ): Promise<{ values: Map<string, WeightValues>; sha256: string }>;
}

/** Values as they are asked for. */
export type WeightValues = CheckpointWeight['values'] | Float64Array;

/** Numbers as a file holds them. */
interface StoredNumbers {
  kind: 'float' | 'integer' | 'boolean';
  values: NpyArray['values'] | BigInt64Array | BigUint64Array;
}

/**
 * Opens a weight file. What it is, is decided by its content; by its name only where it is damaged.
 *
 * @throws InputError for a file of another kind, saying how to save weights, or a damaged one
 */
export async function openWeightFile(path: string): Promise<WeightFile> {
  const file = await checkFile(path);
  const head = new Uint8Array(Math.min(SNIFFED_BYTES, file.size));
  await readInto(file, head, head.length);
  if (startsWith(head, ZIP_SIGNATURE)) return openArchive(file);
  // Before the others: the length of a header can begin with the byte that a pickle begins with.
  if (looksLikeSafetensors(head)) return openSafetensors(file);
  const other = otherKind(head);
  if (other !== null) {
    throw new InputError(
      'checkpoint/unsupported-weights',
      `${printable(path)} is ${other}, which --weights does not read: save the weights with safetensors or numpy.savez.`,
    );
  }
  if (/\.safetensors$/i.test(path)) return openSafetensors(file);
  if (/\.npz$/i.test(path)) return openArchive(file);
  throw new InputError(
    'checkpoint/unsupported-weights',
    `${printable(path)} is ${head.length ? 'a file of an unknown format' : 'empty'}: --weights reads .safetensors and .npz files.`,
  );
}

function otherKind(head: Uint8Array): string | null {
  if (startsWith(head, [0x89, 0x48, 0x44, 0x46])) return 'an HDF5 file';
  if (startsWith(head, NPY_SIGNATURE)) return 'a single .npy array';
  if (head[0] === 0x80 && (head[1] ?? 0) <= 5) return 'a pickle, which can run code and is never loaded';
  if (/^\s*\{/.test(new TextDecoder('latin1').decode(head))) return 'a JSON file, such as an index of shards';
  return null;
}

async function openSafetensors(file: CheckedFile): Promise<WeightFile> {
  const header = await readSafetensorsHeader(file);
  const dtypes = new Map(header.tensors.map(({ name, dtype }) => [name, dtype]));
  return {
    path: file.path,
    entries: header.tensors.map(({ name, shape, dtype }) => ({ name, shape, dtype, problem: null })),
    aliases: header.metadata,
    read: async (wanted) => {
      const { data, sha256 } = await readSafetensorsData(header, new Set(wanted.keys()));
      const values = new Map<string, WeightValues>();
      for (const [name, bytes] of data) {
        const dtype = dtypes.get(name)!;
        const stored = decodeSafetensors(dtype, bytes);
        values.set(name, convertNumbers(stored, wanted.get(name)!, { name, dtype }, file.path));
        data.delete(name); // frees the stored bytes
      }
      return { values, sha256 };
    },
  };
}

/** Null for a dtype whose numbers cannot be read. */
function decodeSafetensors(dtype: string, bytes: Uint8Array): StoredNumbers | null {
  const buffer = bytes.buffer as ArrayBuffer; // of its own, from its first byte
  switch (dtype) {
    case 'F32':
      return { kind: 'float', values: new Float32Array(buffer) };
    case 'F64':
      return { kind: 'float', values: new Float64Array(buffer) };
    case 'F16':
      return { kind: 'float', values: decodeFloat16(new Uint16Array(buffer)) };
    case 'BF16':
      return { kind: 'float', values: decodeBfloat16(new Uint16Array(buffer)) };
    case 'I64':
      return { kind: 'integer', values: new BigInt64Array(buffer) };
    case 'U64':
      return { kind: 'integer', values: new BigUint64Array(buffer) };
    case 'I32':
      return { kind: 'integer', values: new Int32Array(buffer) };
    case 'U32':
      return { kind: 'integer', values: new Uint32Array(buffer) };
    case 'I16':
      return { kind: 'integer', values: new Int16Array(buffer) };
    case 'U16':
      return { kind: 'integer', values: new Uint16Array(buffer) };
    case 'I8':
      return { kind: 'integer', values: new Int8Array(buffer) };
    case 'U8':
      return { kind: 'integer', values: bytes };
    case 'BOOL':
      return { kind: 'boolean', values: bytes };
    default:
      return null;
  }
}

async function openArchive(file: CheckedFile): Promise<WeightFile> {
  const path = printable(file.path);
  if (file.size > MAX_ARCHIVE_BYTES) {
    throw new InputError(
      'checkpoint/too-large',
      `${path} has ${file.size} bytes, more than the ${MAX_ARCHIVE_BYTES} that can be read at once; save the weights with safetensors.`,
    );
  }
  const bytes = new Uint8Array(file.size);
  await readInto(file, bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const members = unzipMembers(bytes, (name) => name.endsWith('.npy'), path, ARCHIVE_LIMITS);
  if (members.size === 0) {
    throw new InputError(
      'checkpoint/unsupported-weights',
      `${path} is a zip archive without .npy arrays, such as a PyTorch or .keras file: save the weights with safetensors or numpy.savez.`,
    );
  }
  const arrays = new Map<string, NpyArray>();
  const entries: WeightEntry[] = [];
  for (const [member, content] of members) {
    const name = member.slice(0, -'.npy'.length);
    const parsed = parseMember(content, `${path}, ${printable(name)}`);
    if (parsed instanceof InputError) entries.push({ name, shape: [], dtype: '', problem: parsed });
    else {
      arrays.set(name, parsed);
      entries.push({ name, shape: parsed.shape, dtype: parsed.dtype, problem: null });
    }
  }
  return {
    path: file.path,
    entries,
    aliases: new Map(),
    read: async (wanted) => {
      const values = new Map<string, WeightValues>();
      for (const [name, dtype] of wanted) {
        const array = arrays.get(name)!;
        const entry = { name, dtype: array.dtype };
        values.set(name, convertNumbers(storedNumbers(array), dtype, entry, file.path));
      }
      return { values, sha256 };
    },
  };
}

function parseMember(content: Uint8Array, where: string): NpyArray | InputError {
  try {
    return parseNpy(content, where);
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

function storedNumbers({ dtype, values }: NpyArray): StoredNumbers {
  const kind = dtype === '|b1' ? 'boolean' : dtype.includes('f') ? 'float' : 'integer';
  return { kind, values };
}

/** Kinds of numbers that may become weights of each dtype. */
const KINDS: Record<CheckpointDtype, StoredNumbers['kind']> = {
  float32: 'float',
  int32: 'integer',
  bool: 'boolean',
};

/**
 * Stored numbers as an array of a dtype.
 *
 * @param stored null for numbers that cannot be read
 * @param entry name and stored dtype, for messages
 * @throws InputError for another kind of numbers, and for values that the dtype cannot hold
 */
export function convertNumbers(
  stored: StoredNumbers | null,
  dtype: CheckpointDtype | 'float64',
  entry: { name: string; dtype?: string },
  path: string,
): WeightValues {
  if (stored === null || (dtype !== 'float64' && stored.kind !== KINDS[dtype])) {
    throw new InputError(
      'checkpoint/unsupported-dtype',
      `${printable(path)}: ${quoted(entry.name)} has dtype ${quoted(entry.dtype ?? 'float64')}, and the model needs ${dtype} there; save it as ${dtype}.`,
    );
  }
  const { values } = stored;
  if (dtype === 'float32' && values instanceof Float32Array) return values;
  if (dtype === 'float64') return Float64Array.from(values as ArrayLike<number | bigint>, Number);
  const converted =
    dtype === 'float32'
      ? new Float32Array(values.length)
      : dtype === 'int32'
        ? new Int32Array(values.length)
        : new Uint8Array(values.length);
  for (let i = 0; i < converted.length; i++) {
    const value = Number(values[i]);
    converted[i] = value;
    // NaN and infinities of the file stay; they are refused with the place in the weight.
    const lost =
      dtype === 'float32' ? Number.isFinite(value) && !Number.isFinite(converted[i]) : converted[i] !== value;
    if (lost || (dtype === 'bool' && value > 1)) {
      throw new InputError(
        'checkpoint/value-range',
        `${printable(path)}: ${quoted(entry.name)} holds ${values[i]} at index ${formatIndex(i, [values.length])} of its values, which ${dtype} cannot hold.`,
      );
    }
  }
  return converted;
}
