import { type Colors, gridLines, type Page, pairLines, standardPage } from './layout.js';
import * as text from './text.js';

/** What `doctor` found on this machine. */
export interface DoctorReport {
  /** Version of Node. */
  node: string;
  platform: string;
  cores: number;
  memoryBytes: number;
  backends: {
    name: string;
    available: boolean;
    /** Why it is not available. */
    reason: string | null;
    version: string | null;
    /** Threads it uses; null where it does not say. */
    threads?: number | null;
    /** Measured speed of a matrix product. */
    gigaflops: number | null;
  }[];
}

/** What `doctor` found, as text for a terminal. */
export function renderDoctorReport(report: DoctorReport, colors: Colors, page: Page = standardPage): string {
  const lines = [
    colors.bold('Machine'),
    ...pairLines(
      [
        ['node', text.printable(report.node)],
        ['platform', text.printable(report.platform)],
        ['cores', String(report.cores)],
        ['memory', `${(report.memoryBytes / 2 ** 30).toFixed(1)} GiB`],
      ],
      colors,
      page,
    ),
    '',
    colors.bold('Backends'),
    ...gridLines(
      {
        head: ['backend', 'version', 'threads', 'GFLOPS', 'state'],
        rows: report.backends.map((backend) => [
          backend.name,
          backend.version ?? '',
          backend.threads?.toString() ?? '',
          backend.gigaflops === null ? '' : backend.gigaflops.toFixed(1),
          backend.available ? 'available' : `missing: ${text.printable(backend.reason ?? 'no reason given')}`,
        ]),
        numeric: [2, 3],
      },
      colors,
      page,
    ),
  ];
  return `${lines.join('\n')}\n`;
}
