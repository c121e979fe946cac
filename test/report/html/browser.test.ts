import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderHtml } from '../../../src/report/html/page.js';
import { sampleReport } from '../sample-report.js';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'chrome'];

/** A browser: of the environment, or on the path. */
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

const browser = findBrowser();
if (browser === null) {
  console.info('no Chromium on the PATH or in CHROME_BIN: the page is not opened in a browser');
}

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prune-limit-page-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What a browser without a network makes of a page: its elements, and what the console says, refused requests too. */
async function opened(html: string): Promise<{ dom: string; console: string[] }> {
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
}

describe.skipIf(browser === null)('in a browser without a network', () => {
  test('the page has every picture, asks for nothing and complains of nothing', async () => {
    const html = renderHtml(sampleReport());
    const { dom, console } = await opened(html);
    expect(console).toEqual([]);
    const pictures = (text: string): number => text.match(/<svg[ >]/g)?.length ?? 0;
    expect(pictures(html)).toBeGreaterThanOrEqual(12);
    expect(pictures(dom)).toBe(pictures(html));
    expect(dom).toContain('</html>');
  }, 90_000);

  test('a page that asks for something is found out', async () => {
    const asking = renderHtml(sampleReport()).replace('<main>', '<main><img src="http://example.org/a.png">');
    const { console } = await opened(asking);
    expect(console.join('\n')).toMatch(/example\.org/);
  }, 90_000);
});
