import { parseHTML } from 'linkedom';
import { describe, expect, test } from 'vitest';
import { renderHtml } from '../../../src/report/html/page.js';
import { pictureFiles } from '../../../src/report/html/picture-files.js';
import type { Report } from '../../../src/report/schema.js';
import { sampleReport, unresolvedReport } from '../sample-report.js';

/** What a test looks at of an element; linkedom has no types without those of browsers. */
interface Element {
  textContent: string;
  attributes: { name: string; value: string }[];
  getAttribute(name: string): string | null;
  querySelector(selector: string): Element | null;
  querySelectorAll(selector: string): Iterable<Element>;
}

function parsed(markup: string): Element {
  return (parseHTML(markup) as unknown as { document: Element }).document;
}

/** librsvg, with the strict parser of libxml2; absent where optional packages are. */
const sharp = await import('sharp').then(
  (library) => library.default,
  () => null,
);
if (sharp === null) {
  console.info('no sharp: SVG files are not read by a strict parser');
}

function hostileReport(): Report {
  const report = sampleReport();
  const hostile = `]]></desc><script>alert(1)</script>&nbsp;"'\u0000\u001b`;
  const layers = report.layers!;
  return {
    ...report,
    layers: {
      ...layers,
      weights: layers.weights.map((weight) => ({ ...weight, name: hostile + weight.name })),
    },
  };
}

const withoutMuch: Report = { ...unresolvedReport(), layers: undefined, curve: [] };

describe.each([
  ['a settled analysis', sampleReport()],
  ['unresolved limits', unresolvedReport()],
  ['little', withoutMuch],
  ['names that try to be markup', hostileReport()],
])('the files of a report with %s', (_, report) => {
  const files = pictureFiles(report);

  test('are the pictures of the page', () => {
    const page = parsed(renderHtml(report));
    const wide = [...page.querySelectorAll('svg')].flatMap((svg) => {
      const name = /^(.*)-wide-title$/.exec(svg.getAttribute('aria-labelledby') ?? '')?.[1];
      return name === undefined
        ? []
        : [[`${name}.svg`, svg.querySelector('title')?.textContent] satisfies [string, unknown]];
    });
    const found = Array.from(files, ([name, svg]) => [name, parsed(svg).querySelector('title')?.textContent]);
    expect(found).toEqual(wide);
    expect(found.length).toBeGreaterThanOrEqual(4);
    expect([...page.querySelectorAll('p.picture')].map(({ textContent }) => textContent)).toEqual(
      found.map(([, title]) => title),
    );
  });

  test('stand alone: named, described, with the values of colours', () => {
    for (const [name, svg] of files) {
      expect(name).toMatch(/^[a-z][a-z-]*\.svg$/);
      const root = parsed(svg).querySelector('svg')!;
      expect(root.getAttribute('xmlns')).toBe('http://www.w3.org/2000/svg');
      expect(root.querySelector('title')?.textContent).toMatch(/\w/);
      expect(root.querySelector('desc')?.textContent).toMatch(/\w/);
      expect([...root.querySelectorAll('style, script, image, a, foreignObject')]).toEqual([]);
      expect(svg).not.toMatch(/var\(|undefined|NaN|Infinity|plot-/);
      expect(svg.replaceAll(/xmlns="[^"]*"/g, '')).not.toMatch(/https?:|url\((?!#)/);
    }
  });

  test.skipIf(sharp === null)('are well-formed and drawn by another program', async () => {
    for (const svg of files.values()) {
      const image = sharp!(Buffer.from(svg));
      const { width, height } = await image.metadata();
      const root = parsed(svg).querySelector('svg')!;
      expect([width, height]).toEqual([
        Number(root.getAttribute('width')),
        Number(root.getAttribute('height')),
      ]);
      // White at its edge, and something on it.
      const { data } = await image
        .flatten({ background: '#f0f' })
        .greyscale()
        .raw()
        .toBuffer({ resolveWithObject: true });
      expect([data[0], data[data.length - 1]]).toEqual([255, 255]);
      expect(data.some((value) => value < 100)).toBe(true);
    }
  });
});

test('axes that a neighbour labels on the page have their labels in a file', () => {
  const files = pictureFiles(sampleReport());
  for (const name of ['limits.svg', 'loss.svg', 'accuracy.svg']) {
    expect(files.get(name)).toContain('kept part of the prunable weights (logarithmic)');
  }
});

test('the legend of the page is in each file', () => {
  const page = parsed(renderHtml(sampleReport()));
  const [names] = [...page.querySelectorAll('ul.legend')].map((list) =>
    [...list.querySelectorAll('li')].map(({ textContent }) => textContent),
  );
  const texts = [...parsed(pictureFiles(sampleReport()).get('loss.svg')!).querySelectorAll('text')];
  expect(texts.map(({ textContent }) => textContent)).toEqual(expect.arrayContaining(names!));
});
