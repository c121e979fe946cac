import { describeReport } from './document.js';
import { bullet, type Colors, gridLines, pageWidth, pairLines, paragraph, wrap } from './layout.js';
import type { Report } from './schema.js';
import type { ReportDocument, Section } from './sections.js';

function sectionLines(section: Section, colors: Colors): string[] {
  const title = colors.bold(section.title);
  return [
    section.tone === 'warning' ? colors.yellow(title) : title,
    ...section.paragraphs.flatMap(paragraph),
    ...(section.pairs.length > 0 ? pairLines(section.pairs, colors) : []),
    ...(section.grid !== null ? gridLines(section.grid, colors) : []),
    ...section.notes.flatMap(bullet).map(section.tone === 'warning' ? colors.yellow : colors.dim),
  ];
}

/** A document for a terminal, at most 80 columns wide. */
export function renderDocument({ title, sections }: ReportDocument, colors: Colors): string {
  const blocks = [
    wrap(title, pageWidth).map(colors.bold),
    ...sections.map((section) => sectionLines(section, colors)),
  ];
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

/** The report for a terminal. */
export function renderTable(report: Report, colors: Colors): string {
  return renderDocument(describeReport(report), colors);
}
