/** Colours on a light page, by name. */
export const lightColors: Readonly<Record<string, string>> = {
  page: '#ffffff',
  text: '#1b1d21',
  quiet: '#565b63',
  line: '#d5d8dd',
  warning: '#fff4d6',
  slice: '#0b63a8',
  'gaussian-width': '#b04a00',
  sharp: '#7a3fa0',
  connected: '#62666d',
  measured: '#14713f',
  tuned: '#8a6100',
  epsilon: '#b8232c',
  negative: '#c2410c',
};

function declarations(colors: Readonly<Record<string, string>>): string {
  return Object.entries(colors)
    .map(([name, value]) => `--${name}: ${value};`)
    .join(' ');
}

/** The style sheet of a page. Colours keep a contrast of 3:1 with the page as lines, and of 4.5:1 as text (WCAG 2.1 AA). */
export const style = `
:root { color-scheme: light dark; ${declarations(lightColors)} }
@media screen and (prefers-color-scheme: dark) {
  :root { --page: #15171a; --text: #e6e8eb; --quiet: #a7adb6; --line: #3a3f46; --warning: #3a2f10;
    --slice: #5fb2f2; --gaussian-width: #f2984f; --sharp: #cb98ea; --connected: #a9aeb6; --measured: #4fc68d; --tuned: #d9b44a; --epsilon: #ff8080; --negative: #ff9d66; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem; max-width: 52rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.verdict { font-size: 1.15rem; }
.warnings { background: var(--warning); padding: .6rem 1rem; border-radius: .4rem; } .warnings h2 { margin: 0; } .warnings ul { margin: .3rem 0 0; padding-left: 1.2rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } .number { text-align: right; } .scroll { overflow-x: auto;
  background: linear-gradient(to right, var(--page) 45%, transparent) local left / 2rem 100% no-repeat, linear-gradient(to left, var(--page) 45%, transparent) local right / 2rem 100% no-repeat,
    linear-gradient(to right, var(--line), transparent) left / .8rem 100% no-repeat, linear-gradient(to left, var(--line), transparent) right / .8rem 100% no-repeat; } .grid td, .grid th { overflow-wrap: normal; } .grid td.number, .option { white-space: nowrap; }
.pairs th { font-weight: 400; color: var(--quiet); white-space: nowrap; overflow-wrap: normal; }
figure { margin: 0; } figcaption { margin-top: .6rem; } figcaption, .note { color: var(--quiet); font-size: .9rem; }
svg[class] { display: block; max-width: 100%; height: auto; overflow: visible; font-size: 12px; --plot-background: var(--page); } svg.narrow { display: none; }
.picture { font-weight: 600; font-size: .95rem; margin: 1.2rem 0 .2rem; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; padding: 0; margin: .5rem 0; font-size: .9rem; }
.swatch { display: inline-block; width: 1.4em; margin-right: .4em; vertical-align: middle; border-top: 2px solid; }
.swatch.dashed { border-top-style: dashed; } .swatch.dotted { border-top-style: dotted; } .swatch.dot { width: .6em; height: .6em; border: 0; border-radius: 50%; background: currentColor; }
.swatch.cross { width: auto; border: 0; } .swatch.cross::before { content: '\u00d7'; font-weight: 700; } .swatch.band { height: .8em; border: 0; background: currentColor; opacity: .5; }
details { border-top: 1px solid var(--line); padding: .4rem 0; } summary { cursor: pointer; font-weight: 600; }
a:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 2px solid var(--slice); outline-offset: 2px; }
@media screen and (max-width: 660px) { svg.wide { display: none; } svg.narrow { display: block; width: 100%; } body { padding: .8rem; } .pairs th { white-space: normal; } th, td { padding-right: .6rem; } }
@page { size: A4; margin: 15mm; }
@media print { body { max-width: none; padding: 0; font-size: 10.5pt; } figure svg, figcaption, .warnings, tr { break-inside: avoid; } .scroll { background: none; } h2, .legend, .picture, summary { break-after: avoid; }
  details::details-content { content-visibility: visible; } }
`;
