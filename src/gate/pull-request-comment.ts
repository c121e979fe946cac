/** A comparison as a comment on a pull request: what moved in sight, the rest folded. */
import { renderMarkdownDocument } from '../report/markdown.js';
import { describeComparison } from './describe.js';
import type { ReportComparison } from './schema.js';

/** How many sections stay in sight: the summary, and what moved. */
const sectionsInSight = 2;

/** The comparison as GitHub-flavoured Markdown with what did not move in `<details>`. */
export function renderPullRequestComment(comparison: ReportComparison): string {
  const { title, sections } = describeComparison(comparison);
  const moved = sections.some((section) => section.title === 'Moved');
  const shown = sections.slice(0, moved ? sectionsInSight : sectionsInSight - 1);
  const folded = sections.slice(shown.length);
  const head = renderMarkdownDocument({ title, sections: shown });
  if (folded.length === 0) {
    return head;
  }
  const rest = renderMarkdownDocument({ title: 'Details', sections: folded }).replace(/^# Details\n\n/, '');
  return `${head}\n<details>\n<summary>${folded.map((section) => section.title).join(', ')}</summary>\n\n${rest}\n</details>\n`;
}
