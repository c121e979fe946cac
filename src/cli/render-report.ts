import { InputError } from '../errors.js';
import type { Report } from '../report/schema.js';
import type { ReportDocument } from '../report/sections.js';
import type { Context } from './context.js';
import { outputFormat } from './options.js';
import { readSetting } from './settings.js';

type ReportFormat = 'table' | 'json' | 'markdown';

/** Where a report goes. */
export interface ReportOutputFlags {
  format?: string;
  json?: string;
  markdown?: string;
}

/** A report in one of its forms; renderers are loaded when they are needed. */
export async function renderReport(report: Report, format: ReportFormat, context: Context): Promise<string> {
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

/** What stdout carries: what `--format` says, or a file that is named `-`; one of them. */
export function stdoutFormat(flags: ReportOutputFlags): ReportFormat {
  const format = flags.format === undefined ? null : readSetting(outputFormat, flags.format, null);
  const [kind, other] = (['json', 'markdown'] as const).filter((name) => flags[name] === '-');
  if (kind !== undefined && (other !== undefined || (format !== null && format !== kind))) {
    throw new InputError(
      'usage/stdout',
      `--${kind} - and ${other === undefined ? `--format ${format}` : `--${other} -`} both go to stdout, which carries one result; name a file, for example --${kind} report.${kind === 'json' ? 'json' : 'md'}`,
    );
  }
  return kind ?? format ?? 'table';
}
