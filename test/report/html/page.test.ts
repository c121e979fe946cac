import { parseHTML } from 'linkedom';
import { describe, expect, test } from 'vitest';
import { renderHtml } from '../../../src/report/html/page.js';
import { type Report, validateReport } from '../../../src/report/schema.js';
import { sampleReport, unresolvedReport } from '../sample-report.js';
import { hostileReport, reports } from './reports.js';

/** What a test looks at of an element; linkedom has no types without those of browsers. */
interface Element {
  tagName: string;
  textContent: string;
  attributes: { name: string; value: string }[];
  getAttribute(name: string): string | null;
  querySelector(selector: string): Element | null;
  querySelectorAll(selector: string): Iterable<Element>;
}

function parsed(html: string): Element {
  return (parseHTML(html) as unknown as { document: Element }).document;
}

function all(root: Element, selector: string): Element[] {
  return [...root.querySelectorAll(selector)];
}

describe.each(reports)('a page %s', (_, report) => {
  const html = renderHtml(validateReport(report));
  const page = parsed(html);

  test('stands alone', () => {
    expect(all(page, 'script, link, img, iframe, object, embed, base, form')).toEqual([]);
    const names = all(page, '*').flatMap(({ attributes }) => [...attributes].map(({ name }) => name));
    expect(names.filter((name) => /^on|^(src|href|xlink:href|action|srcset)$/i.test(name))).toEqual([]);
    // Addresses that are names of languages are not fetched.
    expect(html.replaceAll(/xmlns(:xlink)?="[^"]*"/g, '')).not.toMatch(/https?:|url\((?!#)|@import/);
    expect(html.length).toBeLessThan(1_000_000);
  });

  test('has pictures that are named, described and made of numbers', () => {
    const pictures = all(page, 'svg');
    expect(pictures.length).toBeGreaterThanOrEqual(6);
    for (const picture of pictures) {
      expect(picture.getAttribute('role')).toBe('img');
      for (const [attribute, tag] of [
        ['aria-labelledby', 'title'],
        ['aria-describedby', 'desc'],
      ]) {
        const element = picture.querySelector(tag);
        expect(element?.getAttribute('id')).toBe(picture.getAttribute(attribute));
        expect(element?.textContent).toMatch(/\w/);
      }
    }
    const ids = all(page, '[id]').map((element) => element.getAttribute('id'));
    expect(new Set(ids).size).toBe(ids.length);
    // A sign of Plot where a scale or a value makes no sense to it.
    expect(html).not.toMatch(/NaN|Infinity|undefined|\u26a0/);
  });

  test('has a label at each tick', () => {
    for (const axis of ['x-axis', 'y-axis']) {
      const ticks = all(page, `g[aria-label="${axis} tick"] path`);
      const labels = all(page, `g[aria-label="${axis} tick label"] text`);
      expect(labels.length).toBeGreaterThanOrEqual(ticks.length);
      expect(labels.map(({ textContent }) => textContent).filter((text) => !/\w/.test(text))).toEqual([]);
    }
  });

  test('is the same each time', () => {
    expect(renderHtml(report)).toBe(html);
  });
});

test('the outline of a page', () => {
  const page = parsed(renderHtml(sampleReport()));
  const outline = all(page, 'h1, h2, p.picture, summary').map(
    ({ tagName, textContent }) => `${tagName.toLowerCase()} ${textContent}`,
  );
  expect(outline).toMatchInlineSnapshot(`
    [
      "h1 prune-limit 0.1.0: how far can models/mlpnet/model.json be pruned?",
      "h2 Warnings",
      "h2 What was analysed",
      "h2 Pruned at once, against theory",
      "p Limits: how far the network can be pruned",
      "p Loss increase against the kept part",
      "p Test accuracy against the kept part",
      "h2 Where the limits of theory come from",
      "p Size of the sublevel set over D, the prunable weights, against the pruned part",
      "p Size of the sublevel set over D, close to the crossings",
      "h2 Spectrum",
      "p Density of the eigenvalues of the curvature (logarithmic)",
      "h2 Layers",
      "p Part of each layer that is kept, where all are pruned to a limit by magnitude",
      "p Share of each layer in the predicted loss increase, 88.1 % pruned",
      "h2 Tables",
      "summary Spectrum",
      "summary Limits: the largest part that can be pruned",
      "summary Bounds on the kept part",
      "summary Theory against measurement",
      "summary One-shot magnitude pruning, measured",
      "summary Layers: predicted loss increase at the slice limit",
      "summary Layers: the part kept at each limit",
      "summary Options",
    ]
  `);
});

test('foreign text is shown as it is, without control characters', () => {
  const html = renderHtml(hostileReport());
  const page = parsed(html);
  const shown = `"><img src=x onerror='alert(1)'></title></style><script>alert(2)</script>&amp;\\u202e\\u0000`;
  expect(page.querySelector('h1')?.textContent).toContain(shown);
  expect(page.querySelector('title')?.textContent).toContain(shown);
  expect(all(page, '.warnings li').map(({ textContent }) => textContent)).toEqual([shown]);
  expect(html).not.toMatch(/<img|<script|\u202e/);
});

test('lines break between folders, not in options or before a per cent sign', () => {
  const report = sampleReport();
  const warning = 'use --accuracy-tolerance or --steps at 1.5 % of a/b-c.json <b>--x</b>, not a--b';
  const html = renderHtml({ ...report, warnings: [warning] });
  expect(html).toContain(
    '<li>use <span class="option">--accuracy-tolerance</span> or <span class="option">--steps</span> at 1.5\u00a0% of ' +
      'a/<wbr>b-c.json &lt;b&gt;<span class="option">--x</span>&lt;/b&gt;, not a--b</li>',
  );
});

test.each([
  [-1e-9, false],
  [1e-5, false],
  [-1e-3, true],
])('a smallest Ritz value of %d is marked as negative: %s', (smallest, marked) => {
  const report = sampleReport();
  const ritz = [{ values: [smallest, 17], weights: [0.9, 0.1] }];
  const page = parsed(renderHtml({ ...report, spectrum: { ...report.spectrum, ritz } }));
  const picture = page.querySelector('svg[aria-labelledby="spectrum-wide-title"]');
  const fills = [...picture!.querySelectorAll('g[aria-label="area"]')].map((area) =>
    area.getAttribute('fill'),
  );
  expect(fills).toEqual(marked ? ['var(--negative)', 'var(--slice)'] : ['var(--slice)']);
  const captions = all(page, 'figcaption').map(({ textContent }) => textContent);
  expect(captions.some((text) => text.includes('what lies left of 0 is smoothing'))).toBe(!marked);
  const legends = all(page, 'ul.legend').map(({ textContent }) => textContent);
  expect(legends.some((text) => text.includes('negative eigenvalues'))).toBe(marked);
});

test('the legend of layers names the limits that are drawn', () => {
  const legends = (report: Report) =>
    all(parsed(renderHtml(report)), 'ul.legend').map((list) =>
      all(list, 'li').map(({ textContent }) => textContent),
    );
  const report = sampleReport();
  const layers = report.layers!;
  expect(legends(report).at(-1)).toEqual(['slice', 'Gaussian width', 'sharp']);
  const weights = layers.weights.map((weight) => ({
    ...weight,
    kept: { ...weight.kept, gaussianWidth: null, sharp: null },
  }));
  expect(legends({ ...report, layers: { ...layers, weights } }).at(-1)).toEqual(['slice']);
});

test('points and limits lie where the report says', () => {
  // kept 0.5, 0.1209 and 0.01 on a logarithmic axis: equal ratios of kept parts are equal distances.
  const page = parsed(renderHtml(sampleReport()));
  const picture = page.querySelector('svg[aria-labelledby="loss-wide-title"]');
  const [half, limit] = [...(picture?.querySelectorAll('g[aria-label="dot"] circle') ?? [])].map((circle) =>
    Number(circle.getAttribute('cx')),
  );
  const [left, right] = [150, 760 - 24];
  const at = (kept: number) => left + ((right - left) * Math.log(kept)) / Math.log(0.8 * 0.01);
  expect(half).toBeCloseTo(at(0.5), 6);
  expect(limit).toBeCloseTo(at(0.1209), 6);
});

test('what overflows is marked', () => {
  const page = parsed(renderHtml(sampleReport()));
  const description = page.querySelector('#loss-wide-description')?.textContent;
  expect(description).toContain('At 1 point the loss overflows.');
});

test('without test accuracy the page says so, and shows no picture of it', () => {
  const report = unresolvedReport();
  const page = parsed(
    renderHtml({ ...report, curve: report.curve.map((row) => ({ ...row, accuracy: null })) }),
  );
  expect(all(page, 'p.picture').map(({ textContent }) => textContent)).not.toContain(
    'Test accuracy against the kept part',
  );
  expect(page.querySelector('figcaption')?.textContent).toContain('Test accuracy was not measured.');
});

test('draws a part of very many points, and says so', () => {
  const report = sampleReport();
  const [first] = report.curve;
  report.curve = Array.from({ length: 100_000 }, (_, i) => {
    const pruned = i / 100_000;
    return { ...first!, pruned, kept: 1 - pruned, source: 'searched' };
  });
  const html = renderHtml(report);
  expect(html).toContain('Of 100,000 points 1,000 are drawn');
  expect(html.length).toBeLessThan(2e6);
});
