/** Gates as test cases, for CI systems that read JUnit's XML. */
import XMLBuilder from 'fast-xml-builder';
import { gateSentence } from './describe.js';
import { severity } from './judge.js';
import type { GateReport, GateResult } from './schema.js';

const attribute = (name: string): string => `@${name}`;

/** What XML 1.0 has no character for, in no escape either. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const notInXml = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/gu;

function xmlText(text: string): string {
  return text.replace(notInXml, '\ufffd');
}

/** What breaks no build and does not pass either is told as a skipped test. */
function outcome(result: GateResult, rule: GateReport['inconclusive']): 'passed' | 'skipped' | 'failure' {
  if (result.verdict === 'pass') {
    return 'passed';
  }
  return severity(result, rule) === 'fail' ? 'failure' : 'skipped';
}

/**
 * One test case a gate. A gate of level `warn` that does not pass is a skipped
 * test, and so is an inconclusive one where that does not count as failing.
 */
export function renderJunit({ gates, report, inconclusive }: GateReport): string {
  const outcomes = gates.map((result) => outcome(result, inconclusive));
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
