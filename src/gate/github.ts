/** Gates as GitHub shows them: annotations of a workflow run. */
import { gateSentence } from './describe.js';
import { severity } from './judge.js';
import type { GateReport, GateResult } from './schema.js';

/** Escapes data of a workflow command (GitHub's toolkit, `command.ts`). */
function escapeData(data: string): string {
  return data.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(property: string): string {
  return escapeData(property).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

const commands = { pass: 'notice', warn: 'warning', fail: 'error' } as const;

function annotation(result: GateResult, rule: GateReport['inconclusive']): string {
  const command = commands[severity(result, rule)];
  const title = escapeProperty(`prune-limit gate: ${result.verdict}`);
  return `::${command} title=${title}::${escapeData(gateSentence(result))}`;
}

/** One workflow command a gate: an error, a warning or a notice. */
export function renderGithubAnnotations({ gates, inconclusive }: GateReport): string {
  return gates.map((result) => `${annotation(result, inconclusive)}\n`).join('');
}
