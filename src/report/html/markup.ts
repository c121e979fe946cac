import * as text from '../text.js';

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as it is, for content and quoted attributes: nothing in it becomes markup, no control character stays. */
export function escapeHtml(foreign: string): string {
  return text.printable(foreign).replace(/[&<>"']/g, (character) => entities[character]);
}
