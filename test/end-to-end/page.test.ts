import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { browser, browserTimeout, cutOff, laidOut, opened, overlaps } from '../support/browser.js';
import { newFolder, quick, root, runReal, writeImages, writeMlp } from './support.js';

/** The page of an analysis, and the names of the files of its pictures. */
interface Written {
  html: string;
  plots: string[];
}

async function analyzedPage(...options: string[]): Promise<Written> {
  const folder = newFolder();
  const [page, plots] = [join(folder, 'page.html'), join(folder, 'plots')];
  const { exitCode, stderr } = await runReal(
    'analyze',
    ...options,
    ...quick,
    '--html',
    page,
    '--plots',
    plots,
  );
  expect([exitCode, stderr]).toEqual([0, '']);
  return { html: readFileSync(page, 'utf8'), plots: readdirSync(plots) };
}

let pages: Record<string, Written>;

beforeAll(async () => {
  await prepareBackend('wasm');
  pages = {
    fixture: await analyzedPage(
      join(root, 'fixtures/mnist-lomp'),
      ...'--examples 64 --test-examples 200 --epsilon-examples 256 --ratios 0.5,0.9,0.98'.split(' '),
    ),
    oneLayer: await analyzedPage(
      writeMlp([36, 3], 'softmax'),
      '--data',
      writeImages(),
      '--weight-scales',
      '2,5',
      '--row-norms',
      '12',
    ),
  };
}, 60_000);

test('files are the pictures of the page', () => {
  for (const { html, plots } of Object.values(pages)) {
    const pictures = Array.from(
      html.matchAll(/aria-labelledby="([a-z-]+)-wide-title"/g),
      ([, id]) => `${id}.svg`,
    );
    expect(plots).toEqual(pictures.sort());
    expect(plots).toEqual(expect.arrayContaining(['limits.svg', 'loss.svg', 'theory.svg', 'spectrum.svg']));
  }
});

describe.skipIf(browser === null)('pages of analyses in a browser without a network', () => {
  test(
    'have every picture, ask for nothing and complain of nothing',
    async () => {
      const { html, plots } = pages.fixture!;
      const { dom, console } = await opened(html);
      expect(console).toEqual([]);
      expect(dom.match(/<svg[ >]/g)).toHaveLength(2 * plots.length);
    },
    browserTimeout,
  );

  test(
    'no labels overlap, none is cut off, and nothing is scrolled sideways',
    async () => {
      const names = Object.keys(pages);
      const widths = [1280, 400];
      const layouts = await laidOut(
        names.map((name) => pages[name]!.html),
        widths,
      );
      for (const [index, layout] of layouts.entries()) {
        const name = names[Math.floor(index / widths.length)]!;
        expect(layout.pictures, name).toHaveLength(pages[name]!.plots.length);
        expect(overlaps(layout), `${name}, ${layout.width} pixels wide`).toEqual([]);
        expect(cutOff(layout), `${name}, ${layout.width} pixels wide`).toEqual([]);
        expect(layout.contentWidth, name).toBeLessThanOrEqual(layout.width);
      }
    },
    browserTimeout,
  );
});
