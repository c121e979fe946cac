import { InputError } from '../errors.js';
import type { Report } from '../report/schema.js';
import type { ReportDocument } from '../report/sections.js';
import type { Context } from './context.js';
import { deliver } from './delivery.js';
import { outputFormat } from './options.js';
import { folderOutput, type Output } from './output.js';
import type { ShownProgress } from './progress.js';
import { pathFrom } from './resolve-config.js';
import { readSetting } from './settings.js';

type ReportFormat = 'table' | 'json' | 'markdown';

/** Forms of a report that go to files, or to stdout under the name `-`. */
const fileKinds = ['json', 'markdown', 'html'] as const;

type FileKind = (typeof fileKinds)[number];

/** Where a report goes. */
export interface ReportOutputFlags {
  format?: string;
  json?: string;
  markdown?: string;
  html?: string;
  /** A folder. */
  plots?: string;
}

/** A report in one of its forms; renderers are loaded when they are needed. */
export async function renderReport(
  report: Report,
  format: ReportFormat | FileKind,
  context: Context,
): Promise<string> {
  switch (format) {
    case 'json':
      return (await import('../report/json.js')).renderJson(report);
    case 'markdown':
      return (await import('../report/markdown.js')).renderMarkdown(report);
    case 'html':
      return (await import('../report/html/page.js')).renderHtml(report);
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

/** A result of a command: what stdout carries, and the files that are asked for besides. */
export interface ReportOutputs {
  format: ReportFormat | FileKind;
  files: { kind: FileKind; option: string; path: string }[];
  /** The folder for pictures. */
  plots: Output | null;
  /** Everything that is written besides stdout. */
  written: Output[];
}

/** What stdout carries: what `--format` says, or a file that is named `-`; one of them. */
function stdoutFormat(flags: ReportOutputFlags): ReportFormat | FileKind {
  const format = flags.format === undefined ? null : readSetting(outputFormat, flags.format, null);
  const [kind, other] = fileKinds.filter((name) => flags[name] === '-');
  if (kind !== undefined && (other !== undefined || (format !== null && format !== kind))) {
    throw new InputError(
      'usage/stdout',
      `--${kind} - and ${other === undefined ? `--format ${format}` : `--${other} -`} both go to stdout, which carries one result; name a file, for example --${kind} report.${kind === 'markdown' ? 'md' : kind}`,
    );
  }
  return kind ?? format ?? 'table';
}

/**
 * Where a report is to go.
 *
 * @throws InputError where two results would go to stdout
 */
export async function reportOutputs(flags: ReportOutputFlags, cwd: string): Promise<ReportOutputs> {
  const files = fileKinds.flatMap((kind) => {
    const path = flags[kind];
    return path === undefined || path === '-'
      ? []
      : [{ kind, option: `--${kind}`, path: pathFrom(cwd, path) }];
  });
  const plots =
    flags.plots === undefined ? null : await folderOutput('--plots', pathFrom(cwd, flags.plots), '.svg');
  return {
    format: stdoutFormat(flags),
    files,
    plots,
    written: [...files, ...(plots === null ? [] : [plots])],
  };
}

/** Writes a report to where it is to go. */
export async function deliverReport(
  report: Report,
  { format, files, plots }: ReportOutputs,
  progress: ShownProgress,
  context: Context,
): Promise<void> {
  const result = {
    stdout: await renderReport(report, format, context),
    files: files.map(({ kind, option, path }) => ({
      option,
      path,
      content: () => renderReport(report, kind, context),
    })),
    folders: (plots === null ? [] : [plots]).map(({ option, path }) => ({
      option,
      path,
      contents: async () => (await import('../report/html/picture-files.js')).pictureFiles(report),
    })),
  };
  await deliver(result, progress, context);
}

/** The options for `reportOutputs` besides `--format`, with their help. */
export const reportFileOptions: readonly [flags: string, help: string][] = [
  ['--json <FILE>', 'also write the report as JSON to a file; - is stdout, in place of the table'],
  ['--markdown <FILE>', 'also write the report as Markdown to a file, or to stdout with -'],
  ['--html <FILE>', 'also write the report as a web page with pictures to a file, or to stdout with -'],
  ['--plots <DIR>', 'also write each picture of the web page as an SVG file to a folder'],
];
