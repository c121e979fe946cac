import { describe, expect, test } from 'vitest';
import { renderHtml } from '../../../src/report/html/page.js';
import { pictureFiles } from '../../../src/report/html/picture-files.js';
import { browser, browserTimeout, cutOff, laidOut, opened, overlaps } from '../../support/browser.js';
import { sampleReport } from '../sample-report.js';
import { reports } from './reports.js';

describe.skipIf(browser === null)('in a browser without a network', () => {
  test(
    'the page has every picture, asks for nothing and complains of nothing',
    async () => {
      const html = renderHtml(sampleReport());
      const { dom, console } = await opened(html);
      expect(console).toEqual([]);
      const pictures = (text: string): number => text.match(/<svg[ >]/g)?.length ?? 0;
      expect(pictures(html)).toBeGreaterThanOrEqual(12);
      expect(pictures(dom)).toBe(pictures(html));
      expect(dom).toContain('</html>');
    },
    browserTimeout,
  );

  test(
    'a page that asks for something is found out',
    async () => {
      const asking = renderHtml(sampleReport()).replace(
        '<main>',
        '<main><img src="http://example.org/a.png">',
      );
      const { console } = await opened(asking);
      expect(console.join('\n')).toMatch(/example\.org/);
    },
    browserTimeout,
  );

  test(
    'labels that overlap or are cut off are found out',
    async () => {
      const svg =
        '<svg width="300" height="40"><title>t</title><text x="-9" y="20">one</text><text x="0" y="24">two</text><text x="90" y="20">three</text></svg>';
      const [layout] = await laidOut([`<!doctype html><body style="margin: 0">${svg}`], [400]);
      expect(overlaps(layout!)).toEqual(['t: "one" and "two"']);
      expect(cutOff(layout!)).toEqual(['t: "one"']);
    },
    browserTimeout,
  );

  test(
    'no labels of a picture overlap, none is cut off, and no page is scrolled sideways',
    async () => {
      const widths = [1280, 400];
      const layouts = await laidOut(
        reports.map(([, report]) => renderHtml(report).replaceAll('<details>', '<details open>')),
        widths,
      );
      for (const [index, layout] of layouts.entries()) {
        const name = `${reports[Math.floor(index / 2)]![0]}, ${layout.width} pixels wide`;
        expect(layout.width).toBe(widths[index % 2]);
        expect(layout.pictures.length, name).toBeGreaterThanOrEqual(3);
        expect(overlaps(layout), name).toEqual([]);
        expect(cutOff(layout), name).toEqual([]);
        expect(layout.contentWidth, name).toBeLessThanOrEqual(layout.width);
      }
    },
    browserTimeout,
  );

  test(
    'nor do labels of a picture in a file',
    async () => {
      const some = reports.filter((_, index) => index % 4 === 0);
      const pages = some.map(
        ([, report]) =>
          `<!doctype html><body style="margin: 0">${[...pictureFiles(report).values()].map((file) => `<div>${file.slice(file.indexOf('<svg'))}</div>`).join('')}`,
      );
      for (const [index, layout] of (await laidOut(pages, [760])).entries()) {
        const [name] = some[index]!;
        expect(layout.pictures.length, name).toBeGreaterThanOrEqual(3);
        expect(overlaps(layout), name).toEqual([]);
        expect(cutOff(layout), name).toEqual([]);
      }
    },
    browserTimeout,
  );
});
