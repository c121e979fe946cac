import type { Report } from '../report/schema.js';
import type { ReportDocument } from '../report/sections.js';
import type { Context } from './context.js';

/** A report in one of its forms; renderers are loaded when they are needed. */
export async function renderReport(
  report: Report,
  format: 'table' | 'json' | 'markdown',
  context: Context,
): Promise<string> {
  switch (format) {
    case 'json':
      return (await import('../report/json.js')).renderJson(report);
    case 'markdown':
      return (await import('../report/markdown.js')).renderMarkdown(report);
    case 'table':
      return (await import('../report/table.js')).renderTable(report, await context.colors(), context.page);
  }
}

/** A document for people: for the terminal, or as Markdown. */
export async function renderDocumentAs(
  document: ReportDocument,
  format: 'table' | 'markdown',
  context: Context,
): Promise<string> {
  return format === 'markdown'
    ? (await import('../report/markdown.js')).renderMarkdownDocument(document)
    : (await import('../report/table.js')).renderDocument(document, await context.colors(), context.page);
}
