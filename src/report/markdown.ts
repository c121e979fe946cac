import { describeReport } from './document.js';
import type { Report } from './schema.js';
import type { Grid, ReportDocument, Section } from './sections.js';

/** Text as it is: nothing in it becomes markup. */
function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_[\]<>|#~$@]/g, '\\$&');
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.map(escapeMarkdown).join(' | ')} |`;
}

function table({ head, rows, numeric }: Grid): string[] {
  const rule = head.map((_, column) => (numeric.includes(column) ? '---:' : '---'));
  return [tableRow(head), `| ${rule.join(' | ')} |`, ...rows.map(tableRow)];
}

function bullets(notes: readonly string[]): string[] {
  return notes.map((note) => `- ${escapeMarkdown(note)}`);
}

function sectionBlocks(section: Section): string[][] {
  const pairs: Grid = { head: ['', ''], rows: section.pairs, numeric: [] };
  return [
    [`## ${escapeMarkdown(section.title)}`],
    section.paragraphs.map(escapeMarkdown),
    section.pairs.length > 0 ? table(pairs) : [],
    section.grid === null ? [] : table(section.grid),
    bullets(section.notes),
  ].filter((block) => block.length > 0);
}

/** A document as GitHub-flavoured Markdown. */
export function renderMarkdownDocument({ title, sections }: ReportDocument): string {
  const blocks = [[`# ${escapeMarkdown(title)}`], ...sections.flatMap(sectionBlocks)];
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

/** The report as GitHub-flavoured Markdown. */
export function renderMarkdown(report: Report): string {
  return renderMarkdownDocument(describeReport(report));
}
