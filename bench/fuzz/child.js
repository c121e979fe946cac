/** A process that reads damaged files and says what came of them; a crash, a hang or a leak ends it alone. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describeFailure } from '../../dist/cli/failure.js';
import { prepareBackend } from '../../dist/compute/backend.js';
import { makeCase, readersNamed, validFiles } from './cases.js';
import { digest, READERS } from './readers.js';

/** Most memory that a case may take. */
const MAX_BYTES = 2 ** 30;

/** Most characters of a line on stderr, the folder's name aside. */
const MAX_LINE = 300;

const folder = mkdtempSync(join(tmpdir(), 'prune-limit-fuzz-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

await prepareBackend('cpu');

function write(files) {
  rmSync(folder, { recursive: true, force: true });
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
}

async function attempt(reader, files) {
  write(files);
  try {
    return { digest: digest(await reader.read(folder, (name) => files[name])) };
  } catch (error) {
    return { error };
  }
}

const expected = new Map();

/** The digest of the valid files; none where they are refused. */
async function expectedDigest(reader) {
  if (!expected.has(reader)) expected.set(reader, (await attempt(reader, validFiles(reader))).digest);
  return expected.get(reader);
}

/** What is wrong with what a person is told of an error; null for one line that says what to do. */
function faultOf(error) {
  const { exitCode, text } = describeFailure(error, {
    commandName: 'prune-limit',
    version: '',
    issueTracker: '',
  });
  if (exitCode !== 2) return `not an InputError: ${error?.stack ?? error}`;
  const line = text.replaceAll(folder, '').replace(/\n$/, '');
  if (line.length > MAX_LINE) return `a line of ${line.length}: ${line}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  return /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(line)
    ? `control characters: ${JSON.stringify(line)}`
    : null;
}

async function run({ reader, files, checked }) {
  const numbers = await expectedDigest(reader);
  const { digest: found, error } = await attempt(reader, files);
  const { rss, arrayBuffers } = process.memoryUsage();
  const peak = Math.max(process.resourceUsage().maxRSS * 1024, rss, arrayBuffers);
  if (peak > MAX_BYTES) return { outcome: 'defect', detail: `memory: ${Math.round(peak / 2 ** 20)} MiB` };
  if (error === undefined) {
    return checked && found !== numbers
      ? { outcome: 'defect', detail: 'accepted with other numbers, in spite of a checksum' }
      : { outcome: 'accepted', detail: found === numbers ? 'the same numbers' : 'other numbers' };
  }
  const fault = faultOf(error);
  return fault === null
    ? { outcome: 'refused', detail: error.code, message: error.message }
    : { outcome: 'defect', detail: fault };
}

process.on('message', async (message) => {
  const reader = READERS.find(({ name }) => name === message.reader) ?? readersNamed(message.reader)[0];
  const decoded = (files) =>
    Object.fromEntries(Object.entries(files).map(([name, text]) => [name, Buffer.from(text, 'base64')]));
  let made = { files: validFiles(reader), checked: true };
  if (message.files) made = { files: decoded(message.files), checked: message.checked };
  else if (!message.valid) made = makeCase(reader, message.index, message.seed);
  const result = await run({ reader, ...made });
  process.send({ index: message.index, ...result });
});

process.on('disconnect', () => process.exit());

process.send({ ready: existsSync(folder) });
