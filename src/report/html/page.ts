/** The report as one HTML file that needs no script and no network. */
import { describeReport } from '../document.js';
import type { Report } from '../schema.js';
import type { Grid, Section } from '../sections.js';
import { type Figure, legendHtml, pictureHtml } from './figure.js';
import { reportFigures } from './figures.js';
import { escapeHtml, proseHtml } from './markup.js';
import { style } from './style.js';

/** Nothing may be loaded and nothing run, whatever text a report carries. */
const policy = "default-src 'none'; style-src 'unsafe-inline'";

/** A table of two columns. */
export function pairsHtml(pairs: readonly (readonly [string, string])[]): string {
  const rows = pairs.map(
    ([name, value]) => `<tr><th scope="row">${escapeHtml(name)}</th><td>${proseHtml(value)}</td></tr>`,
  );
  return `<table class="pairs">${rows.join('')}</table>`;
}

/** A table that scrolls where it is wide. */
export function gridHtml({ head, rows, numeric }: Grid, label: string): string {
  const attribute = (column: number) => (numeric.includes(column) ? ' class="number"' : '');
  const heads = head.map((cell, column) => `<th scope="col"${attribute(column)}>${escapeHtml(cell)}</th>`);
  const body = rows.map(
    (row) =>
      `<tr>${row.map((cell, column) => `<td${attribute(column)}>${escapeHtml(cell)}</td>`).join('')}</tr>`,
  );
  // A table that is wider than a telephone is scrolled, with the keyboard too.
  return (
    `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(label)}"><table class="grid"><thead><tr>${heads.join('')}</tr></thead>` +
    `<tbody>${body.join('')}</tbody></table></div>`
  );
}

function listHtml(notes: readonly string[]): string {
  return `<ul>${notes.map((note) => `<li>${proseHtml(note)}</li>`).join('')}</ul>`;
}

function sectionBody({ title, paragraphs, pairs, grid, notes }: Section): string {
  return [
    ...paragraphs.map((paragraph) => `<p>${proseHtml(paragraph)}</p>`),
    pairs.length > 0 ? pairsHtml(pairs) : '',
    grid === null ? '' : gridHtml(grid, title),
    notes.length > 0 ? listHtml(notes) : '',
  ].join('\n');
}

/** A part of the page that is opened by its title. */
export function folded(title: string, body: string): string {
  return `<details><summary>${escapeHtml(title)}</summary>\n${body}\n</details>`;
}

/** Pictures with heading, legend and caption. */
export function figureHtml({ heading, pictures, legend, caption }: Figure): string {
  const body =
    pictures.length === 0
      ? `<p>${escapeHtml(caption)}</p>`
      : `\n<figure>${legendHtml(legend)}\n${pictures.map(pictureHtml).join('\n')}\n<figcaption>${proseHtml(caption)}</figcaption></figure>`;
  return `<section><h2>${escapeHtml(heading)}</h2>${body}</section>`;
}

/** A page of such blocks, the title first. */
export function pageHtml(title: string, blocks: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
${blocks.join('\n')}
</main>
</body>
</html>
`;
}

/** What a second run needs to be the same, beyond what the section of the model says. */
function provenance({ tool, seed, engine, model }: Report): [string, string][] {
  const versions = Object.entries(engine.versions).map(([name, version]) => `${name} ${version}`);
  return [
    ['seed', String(seed)],
    ['SHA-256 of the model', model.sha256],
    ...(model.weights === undefined ? [] : [['weights', model.weights] satisfies [string, string]]),
    ['versions', [`prune-limit ${tool.version}`, ...versions].join(', ')],
  ];
}

function optionPairs(options: Report['options']): [string, string][] {
  return Object.entries(options).map(([name, value]) => [name, JSON.stringify(value)]);
}

/**
 * The report as a self-contained HTML page: verdict and warnings, what was
 * analysed, pictures, and every table folded. Pictures only rescale and smooth
 * numbers of the report.
 */
export function renderHtml(report: Report): string {
  const { title, sections } = describeReport(report);
  const [verdict, ...others] = sections;
  const warnings = others.filter(({ tone }) => tone === 'warning');
  const [analysed, ...tables] = others.filter(({ tone }) => tone !== 'warning');
  const blocks = [
    `<h1>${proseHtml(title)}</h1>`,
    ...verdict.paragraphs.map((paragraph) => `<p class="verdict">${proseHtml(paragraph)}</p>`),
    ...warnings.map(
      (section) =>
        `<section class="warnings"><h2>${escapeHtml(section.title)}</h2>${listHtml(section.notes)}</section>`,
    ),
    `<section><h2>What was analysed</h2>${pairsHtml([...analysed.pairs, ...provenance(report)])}</section>`,
    ...reportFigures(report).map(figureHtml),
    `<section><h2>Tables</h2>`,
    ...tables.map((section) => folded(section.title, sectionBody(section))),
    folded('Options', pairsHtml(optionPairs(report.options))),
    `</section>`,
  ];
  return pageHtml(title, blocks);
}
