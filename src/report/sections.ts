/** What a document is made of; a renderer lays it out for its medium. */

export interface Grid {
  head: string[];
  rows: string[][];
  /** Columns of numbers, aligned right. */
  numeric: number[];
}

export interface Section {
  title: string;
  /** Sentences that come first. */
  paragraphs: string[];
  /** Name and value. */
  pairs: [string, string][];
  grid: Grid | null;
  /** Remarks below. */
  notes: string[];
  tone: 'plain' | 'warning';
}

export interface ReportDocument {
  title: string;
  sections: Section[];
}

/** A section of the parts that are given. */
export function section(title: string, parts: Partial<Omit<Section, 'title'>>): Section {
  return { title, paragraphs: [], pairs: [], grid: null, notes: [], tone: 'plain', ...parts };
}
