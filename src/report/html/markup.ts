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

/** Text as `escapeHtml` gives it, whose lines break between words and folders, not within options or before a per cent sign. */
export function proseHtml(foreign: string): string {
  return escapeHtml(foreign)
    .replaceAll(/(?<=[\w.-])\/(?=[\w.-])/g, '/<wbr>')
    .replaceAll(/(?<=\d) %/g, '\u00a0%')
    .replaceAll(/(?<![\w-])--[a-z]+(?:-[a-z]+)*/g, '<span class="option">$&</span>');
}
