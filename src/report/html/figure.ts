/** Pictures as SVG that stands alone: drawn here, with no browser and no script. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { escapeHtml } from './markup.js';

/** The two widths that every picture is drawn in: for paper and desks, and for telephones. */
export const widths = { wide: 760, narrow: 380 } as const;

export type Width = keyof typeof widths;

/** Room left of the frame, the same in all pictures of a figure so that their x axes lie on one another. */
export const leftMargin: Record<Width, number> = { wide: 150, narrow: 142 };

/** Room right of the frame: half a label of an axis. */
export const rightMargin = 24;

/** An entry of a legend. Colours are those of the style sheet, by name. */
export interface LegendEntry {
  name: string;
  color: string;
  shape: 'line' | 'dashed' | 'dotted' | 'dot' | 'band' | 'cross';
}

export interface Picture {
  /** Unique in the page, letters and hyphens. */
  id: string;
  title: string;
  /** What is to be seen, for those who do not see it. */
  description: string;
  /** What colours mean in this picture; left out where it is what they mean in its figure. */
  legend?: readonly LegendEntry[];
  /** `alone`: no other picture lies above or below whose axis would serve. */
  plot(width: Width, alone: boolean): Plot.PlotOptions;
}

/** Pictures that are read together: under one heading, with one legend and one caption. */
export interface Figure {
  heading: string;
  /** From the top down; where there is none, the caption says why. */
  pictures: readonly Picture[];
  legend: readonly LegendEntry[];
  caption: string;
}

/** The colour of the style sheet with this name. */
export function color(name: string): string {
  return `var(--${name})`;
}

/** The plot of a picture as an element `svg`, with no name yet. */
export function plotted({ plot }: Picture, width: Width, alone: boolean) {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  return Plot.plot({
    width: widths[width],
    marginLeft: leftMargin[width],
    marginRight: rightMargin,
    ...plot(width, alone),
    document,
  });
}

function drawn(picture: Picture, width: Width): string {
  const { id, title, description } = picture;
  const svg = plotted(picture, width, false);
  const [titleId, descriptionId] = [`${id}-${width}-title`, `${id}-${width}-description`];
  svg.setAttribute('role', 'img');
  svg.setAttribute('class', `${svg.getAttribute('class')} ${width}`);
  svg.setAttribute('aria-labelledby', titleId);
  svg.setAttribute('aria-describedby', descriptionId);
  const named = [
    ['desc', descriptionId, description],
    ['title', titleId, title],
  ];
  for (const [tag, elementId, content] of named) {
    const element = svg.ownerDocument.createElementNS('http://www.w3.org/2000/svg', tag);
    element.setAttribute('id', elementId);
    element.textContent = content;
    svg.insertBefore(element, svg.firstChild);
  }
  return svg.outerHTML;
}

/** A picture under its title, in both widths; the style sheet shows the one that fits. */
export function pictureHtml(picture: Picture): string {
  return `<p class="picture">${escapeHtml(picture.title)}</p>\n${drawn(picture, 'wide')}\n${drawn(picture, 'narrow')}`;
}

/** A legend as a list. */
export function legendHtml(entries: readonly LegendEntry[]): string {
  const items = entries.map(
    ({ name, color: colorName, shape }) =>
      `<li><span class="swatch ${shape}" style="color: ${color(colorName)}" aria-hidden="true"></span>${escapeHtml(name)}</li>`,
  );
  return `<ul class="legend">${items.join('')}</ul>`;
}
