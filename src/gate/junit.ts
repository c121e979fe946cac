/** Gates as test cases, for CI systems that read JUnit's XML. */
import XMLBuilder from 'fast-xml-builder';
import { gateSentence } from './describe.js';
import type { GateReport, GateResult } from './schema.js';

const attribute = (name: string): string => `@${name}`;

/** What XML 1.0 has no character for, in no escape either. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const notInXml = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/gu;

function xmlText(text: string): string {
  return text.replace(notInXml, '\ufffd');
}

/** Harmless results are told as skipped tests, which break no build. */
function outcome(result: GateResult, verdict: GateReport['verdict']): 'passed' | 'skipped' | 'failure' {
  if (result.verdict === 'pass') {
    return 'passed';
  }
  const harmless = result.level === 'warn' || (result.verdict === 'inconclusive' && verdict === 'pass');
  return harmless ? 'skipped' : 'failure';
}

/**
 * One test case a gate. A gate of level `warn` that does not pass is a skipped
 * test, and so is an inconclusive one where the verdict over all is a pass.
 */
export function renderJunit({ gates, report, verdict }: GateReport): string {
  const outcomes = gates.map((result) => outcome(result, verdict));
  const count = (wanted: (typeof outcomes)[number]): number =>
    outcomes.filter((found) => found === wanted).length;
  const testcase = gates.map((result, place) => {
    const found = outcomes[place]!;
    const message = { [attribute('message')]: xmlText(gateSentence(result)) };
    return {
      [attribute('classname')]: xmlText(report),
      [attribute('name')]: xmlText(result.gate),
      ...(found === 'passed' ? {} : { [found]: message }),
    };
  });
  const builder = new XMLBuilder({
    ignoreAttributes: false,
    attributeNamePrefix: attribute(''),
    suppressEmptyNode: true,
    format: true,
    processEntities: true,
  });
  const suite = {
    [attribute('name')]: 'prune-limit gate',
    [attribute('tests')]: gates.length,
    [attribute('failures')]: count('failure'),
    [attribute('skipped')]: count('skipped'),
  };
  return builder.build({
    '?xml': { [attribute('version')]: '1.0', [attribute('encoding')]: 'UTF-8' },
    testsuites: { testsuite: { ...suite, testcase } },
  });
}
