import { describe, expect, it } from 'vitest';
import { renderHtml } from '../../src/report/html/page.js';
import { shownLimits } from '../../src/report/html/shown-limits.js';
import { comparisonSection, limitsSection } from '../../src/report/limit-sections.js';
import { type Report, reportSchema } from '../../src/report/schema.js';
import { tunedRange, tunedSections } from '../../src/report/tuned-sections.js';
import { reportWithTuned, sampleReport } from './sample-report.js';

const offer = '--tune 1 measures how far retraining really goes';

describe('tuned limits in a report', () => {
  it('fit the schema, which refuses a number that is none', () => {
    const report = reportWithTuned();
    expect(reportSchema.parse(report).tuned).toEqual(report.tuned);
    report.tuned!.loss.pruned = Number.NaN;
    expect(reportSchema.safeParse(report).success).toBe(false);
  });

  it('are rows among the limits, with what both seeds say', () => {
    const { grid, notes } = limitsSection(reportWithTuned());
    expect(grid!.rows.slice(-3)).toEqual([
      ['compensated loss', '89.0 %', '', '11.0 %', '9.1x'],
      ['tuned loss', '96.5 %', 'seeds 96.5 to 97.0 %', '3.5 %', '29x'],
      ['tuned accuracy', '95.0 %', 'seeds from 91.0 %', '5.0 %', '20x'],
    ]);
    expect(notes.at(-1)).toBe(
      'tuned: kept weights trained while the rest is pruned, in tries of 0.5 epochs that begin where others ended (1 epoch and 0.5 epochs in all); seeds: from the largest part that passes for 2 seeds to the smallest that fails for both',
    );
    const end = { pruned: 0.99, low: 0.99, high: 0.99, epochs: 2, capped: true };
    expect(tunedRange(end, [])).toBe('nothing fails');
    expect(tunedRange({ ...end, low: 0.9 }, [])).toBe('seeds from 90.0 %');
  });

  it('list every try by its pruned part', () => {
    const [section] = tunedSections(reportWithTuned());
    expect(section.grid!.rows).toEqual([
      ['95.0 %', '0', 'dense', '0.5', '-0.01000', '94.10 %', 'yes'],
      ['96.5 %', '0', '95.0 %', '1', '0.05000', '92.10 %', 'yes'],
      ['96.5 %', '1', '95.0 %', '1', '0.06120', '92.00 %', 'yes'],
      ['97.0 %', '0', '96.5 %', '1.5', '0.08010', '91.40 %', 'no'],
      ['97.0 %', '1', '96.5 %', '1.5', '0.07500', '91.30 %', 'no'],
      ['98.0 %', '0', '95.0 %', '1', 'overflow', '10.00 %', 'no'],
    ]);
    expect(section.notes[0]).toContain('each row: 0.5 epochs on 60,000 training examples');
    expect(tunedSections(sampleReport())).toEqual([]);
  });

  it('are offered where they are absent and training takes the network', () => {
    const notes = (report: Report) => comparisonSection(report).notes;
    expect(notes(sampleReport())).toContain(offer);
    expect(notes(reportWithTuned())).not.toContain(offer);
    const { model, loss } = sampleReport();
    expect(notes({ ...sampleReport(), model: { ...model, format: 'onnx' } })).not.toContain(offer);
    expect(notes({ ...sampleReport(), loss: { ...loss, name: 'mse' } })).not.toContain(offer);
  });

  it('are lines of the pictures, of loss and accuracy', () => {
    const shown = shownLimits(reportWithTuned()).filter(({ color }) => color === 'tuned');
    expect(shown).toMatchObject([
      { name: 'tuned loss', of: 'loss', source: 'measured', pruned: 0.965, low: 0.965, high: 0.97 },
      { name: 'tuned accuracy', of: 'accuracy', pruned: 0.95, low: 0.91, high: 0.999 },
    ]);
    const page = renderHtml(reportWithTuned());
    expect(page).toContain('tuned loss 96.5 % (96.5 to 97.0 %)');
    expect(page).not.toMatch(/NaN|Infinity/);
    expect(renderHtml(sampleReport())).not.toContain('tuned l');
  });
});
