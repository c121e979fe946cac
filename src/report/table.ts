import { describeReport } from './document.js';
import { bullet, type Colors, gridLines, type Page, pairLines, paragraph, standardPage } from './layout.js';
import type { Report } from './schema.js';
import type { ReportDocument, Section } from './sections.js';
import { wrap } from './wrap.js';

function sectionLines(section: Section, colors: Colors, page: Page): string[] {
  const title = colors.bold(section.title);
  return [
    section.tone === 'warning' ? colors.yellow(title) : title,
    ...section.paragraphs.flatMap((text) => paragraph(text, page)),
    ...(section.pairs.length > 0 ? pairLines(section.pairs, colors, page) : []),
    ...(section.grid !== null ? gridLines(section.grid, colors, page) : []),
    ...section.notes
      .flatMap((note) => bullet(note, page))
      .map(section.tone === 'warning' ? colors.yellow : colors.dim),
  ];
}

/** A document for a terminal, as wide as the page. */
export function renderDocument(
  { title, sections }: ReportDocument,
  colors: Colors,
  page: Page = standardPage,
): string {
  const blocks = [
    wrap(title, page.width).map(colors.bold),
    ...sections.map((section) => sectionLines(section, colors, page)),
  ];
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

/** The report for a terminal, as wide as the page. */
export function renderTable(report: Report, colors: Colors, page: Page = standardPage): string {
  return renderDocument(describeReport(report), colors, page);
}
