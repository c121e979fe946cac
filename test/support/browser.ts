/** A headless browser without a network, where a machine has one. */
import { execFile } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'chrome'];

function findBrowser(): string | null {
  const candidates = [
    ...(process.env.CHROME_BIN === undefined ? [] : [process.env.CHROME_BIN]),
    ...(process.env.PATH ?? '').split(delimiter).flatMap((folder) => names.map((name) => join(folder, name))),
  ];
  return (
    candidates.find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    }) ?? null
  );
}

/** A browser of the environment or on the path; null where there is none. */
export const browser = findBrowser();
if (browser === null) {
  console.info('no Chromium on the PATH or in CHROME_BIN: pages are not opened in a browser');
}

/** Time limit of a test that starts a browser, in milliseconds. */
export const browserTimeout = 90_000;

/** What the browser makes of a page: its elements, and what the console says, refused requests too. */
export async function opened(html: string): Promise<{ dom: string; console: string[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'prune-limit-page-'));
  try {
    const page = join(folder, 'page.html');
    await writeFile(page, html);
    const { stdout, stderr } = await promisify(execFile)(
      browser as string,
      [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--proxy-server=127.0.0.1:9',
        `--user-data-dir=${join(folder, 'profile')}`,
        '--enable-logging=stderr',
        '--dump-dom',
        pathToFileURL(page).href,
      ],
      { maxBuffer: 2 ** 26, timeout: 60_000 },
    );
    return { dom: stdout, console: stderr.split('\n').filter((line) => line.includes('CONSOLE')) };
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** A text of a picture as it is drawn, in pixels of the page. */
interface Label {
  text: string;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** How a page is laid out at a width. */
export interface Layout {
  width: number;
  /** Width of what the page holds; more than `width` where it has to be scrolled sideways. */
  contentWidth: number;
  /** The pictures that are shown, with their labels. */
  pictures: { title: string; labels: Label[] }[];
}

const measuring = readFileSync(new URL('measure-frames.js', import.meta.url), 'utf8');

/** How pages are laid out at widths, page by page: all in one run of the browser, each in a frame so wide. */
export async function laidOut(pages: readonly string[], widths: readonly number[]): Promise<Layout[]> {
  const frames = pages.flatMap((page) =>
    widths.map(
      (width) =>
        `<iframe style="border: 0; width: ${width}px; height: 4000px" srcdoc="${page.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}"></iframe>`,
    ),
  );
  const { dom } = await opened(
    `<!doctype html><meta charset="utf-8"><body>${frames.join('\n')}<script>${measuring}</script></body>`,
  );
  const found = /<pre id="layouts">([^<]*)<\/pre>/.exec(dom)?.[1];
  if (found === undefined) {
    throw new Error('the browser measured nothing');
  }
  return JSON.parse(decodeURIComponent(found));
}

/** Overlaps of so many pixels are not seen: boxes have room above and below their letters. */
const UNSEEN = 1;

/** Pairs of labels in one picture whose boxes overlap. */
export function overlaps({ pictures }: Layout): string[] {
  return pictures.flatMap(({ title, labels }) =>
    labels.flatMap((a, index) =>
      labels
        .slice(0, index)
        .filter(
          (b) =>
            Math.min(a.right, b.right) - Math.max(a.left, b.left) > UNSEEN &&
            Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > UNSEEN,
        )
        .map((b) => `${title}: "${b.text}" and "${a.text}"`),
    ),
  );
}

/** Labels that reach over an edge of the page. */
export function cutOff({ width, pictures }: Layout): string[] {
  return pictures.flatMap(({ title, labels }) =>
    labels.filter(({ left, right }) => left < 0 || right > width).map(({ text }) => `${title}: "${text}"`),
  );
}
