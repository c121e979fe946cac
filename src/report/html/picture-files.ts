/** The pictures of the page as files that stand alone: named, with a legend, in the colours of a light page. */
import type { Report } from '../schema.js';
import { type Figure, type LegendEntry, type Picture, plotted, widths } from './figure.js';
import { reportFigures } from './figures.js';
import { escapeHtml } from './markup.js';
import { lightColors } from './style.js';

const width = widths.wide;
const margin = 14;
const titleSize = 15;
const textSize = 12;
const rowHeight = 20;
const swatchWidth = 18;
/** Width of a letter over the size of the font; wide fonts such as DejaVu Sans need as much. */
const letterWidth = { regular: 0.6, bold: 0.68 };

/** Values in the place of the style sheet's names. */
function withColors(value: string): string {
  return value.replaceAll(/var\(--([\w-]+)\)/g, (whole, name: string) =>
    name === 'plot-background' ? lightColors.page : (lightColors[name] ?? whole),
  );
}

/** Words in lines of at most so many letters. */
function lines(words: string, letters: number): string[] {
  const found: string[] = [];
  for (const word of words.split(' ')) {
    const last = found.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= letters) {
      found[found.length - 1] = `${last} ${word}`;
    } else {
      found.push(word);
    }
  }
  return found;
}

function swatch({ shape, color }: LegendEntry, x: number, y: number): string {
  const stroke = `stroke="${lightColors[color]}" stroke-width="2"`;
  const line = (dashes: string) =>
    `<line x1="${x}" y1="${y}" x2="${x + swatchWidth}" y2="${y}" ${stroke}${dashes}/>`;
  const middle = x + swatchWidth / 2;
  switch (shape) {
    case 'line':
      return line('');
    case 'dashed':
      return line(' stroke-dasharray="5 4"');
    case 'dotted':
      return line(' stroke-dasharray="2 3"');
    case 'dot':
      return `<circle cx="${middle}" cy="${y}" r="4.5" fill="${lightColors[color]}"/>`;
    case 'band':
      return `<rect x="${x}" y="${y - 5}" width="${swatchWidth}" height="10" fill="${lightColors[color]}" fill-opacity="0.5"/>`;
    case 'cross':
      return `<path d="M${middle - 4},${y - 4}l8,8m0,-8l-8,8" fill="none" ${stroke}/>`;
  }
}

/** A legend in rows from `top` on, and where it ends. */
function legend(entries: readonly LegendEntry[], top: number): { markup: string; bottom: number } {
  let [x, row] = [margin, 0];
  const items = entries.map((entry) => {
    const needed = swatchWidth + 6 + Math.ceil(letterWidth.regular * textSize * entry.name.length);
    if (x > margin && x + needed > width - margin) {
      [x, row] = [margin, row + 1];
    }
    const y = top + rowHeight * (row + 0.5);
    const item = `${swatch(entry, x, y)}<text x="${x + swatchWidth + 6}" y="${y}" dy="0.35em">${escapeHtml(entry.name)}</text>`;
    x += needed + 18;
    return item;
  });
  return { markup: items.join('\n'), bottom: top + (entries.length === 0 ? 0 : rowHeight * (row + 1)) };
}

/** A picture with its title, a legend, and the caption in its description, on white. */
function pictureFile(picture: Picture, figure: Figure): string {
  const { id, title, description } = picture;
  const svg = plotted(picture, 'wide', true);
  svg.querySelector('style')?.remove();
  for (const element of svg.querySelectorAll('*')) {
    for (const { name, value } of [...element.attributes]) {
      element.setAttribute(name, withColors(value));
    }
  }
  const titleLines = lines(title, Math.floor((width - 2 * margin) / (letterWidth.bold * titleSize)));
  const titleMarkup = titleLines.map(
    (line, index) =>
      `<text x="${margin}" y="${margin + 20 * index}" dy="0.7em" font-size="${titleSize}" font-weight="600">${escapeHtml(line)}</text>`,
  );
  const key = legend(picture.legend ?? figure.legend, margin + 20 * titleLines.length + 4);
  const plotTop = key.bottom + 6;
  const height = plotTop + Number(svg.getAttribute('height')) + 8;
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${id}-title" aria-describedby="${id}-description" font-family="system-ui, sans-serif" font-size="${textSize}" color="${lightColors.text}" fill="${lightColors.text}">
<title id="${id}-title">${escapeHtml(title)}</title>
<desc id="${id}-description">${escapeHtml(`${description} ${figure.caption}`)}</desc>
<rect width="${width}" height="${height}" fill="${lightColors.page}"/>
${titleMarkup.join('\n')}
${key.markup}
<g transform="translate(0,${plotTop})" text-anchor="middle">${svg.innerHTML}</g>
</svg>
`;
}

/**
 * All pictures of the page, each as an SVG file: in the page's order, with its name from what it shows, such as
 * `loss.svg`. Colours are those of a light page on white, as pictures are put into papers and slides.
 */
export function pictureFiles(report: Report): Map<string, string> {
  return new Map(
    reportFigures(report).flatMap((figure) =>
      figure.pictures.map((picture) => [`${picture.id}.svg`, pictureFile(picture, figure)] as const),
    ),
  );
}
