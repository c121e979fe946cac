/** What a study is: cells to run, and what is made of their results. */
import type { StudyPicture, StudyTable } from '../report/study-schema.js';
import type { Cell } from './cell.js';
import type { CellResult, ResultOf } from './results.js';
import type { CellOutcome } from './run-cells.js';
import type { StudySettings } from './settings.js';

/** What a study shows. */
export interface StudyFindings {
  summary: string[];
  tables: StudyTable[];
  pictures: StudyPicture[];
}

export interface Study {
  /** One line for help. */
  title: string;
  /** @throws InputError for settings that the study cannot use */
  plan(settings: StudySettings): Cell[];
  findings(settings: StudySettings, outcomes: Outcomes): StudyFindings;
}

/** Results of cells by name. */
export interface Outcomes {
  get<Kind extends CellResult['kind']>(name: string, kind: Kind): ResultOf<Kind> | null;
  /** Why a cell has no result; null where it has one. */
  refused(name: string): string | null;
}

/** Outcomes as findings ask for them. */
export function outcomesByName(outcomes: readonly CellOutcome[]): Outcomes {
  const byName = new Map(outcomes.map((outcome) => [outcome.cell.name, outcome]));
  return {
    get: <Kind extends CellResult['kind']>(name: string, kind: Kind) => {
      const result = byName.get(name)?.result ?? null;
      return result?.kind === kind ? (result as ResultOf<Kind>) : null;
    },
    refused: (name) => byName.get(name)?.refused ?? null,
  };
}

/** The mean of some numbers; null of none. */
export function meanOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
