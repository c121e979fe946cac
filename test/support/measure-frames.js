// Runs in a browser, in a page whose frames are pages of reports: leaves their layouts as JSON in its one element.
addEventListener('load', () => {
  const layouts = Array.from(document.querySelectorAll('iframe'), (frame) => {
    const page = frame.contentDocument;
    const shown = Array.from(page.querySelectorAll('svg')).filter(
      (svg) => svg.getBoundingClientRect().width > 0,
    );
    return {
      width: frame.clientWidth,
      contentWidth: page.documentElement.scrollWidth,
      pictures: shown.map((svg) => ({
        title: svg.querySelector('title').textContent,
        labels: Array.from(svg.querySelectorAll('text'), (text) => {
          const { left, right, top, bottom } = text.getBoundingClientRect();
          return { text: text.textContent, left, right, top, bottom };
        }).filter(({ text }) => text.trim() !== ''),
      })),
    };
  });
  const result = document.createElement('pre');
  result.id = 'layouts';
  result.textContent = encodeURIComponent(JSON.stringify(layouts));
  document.body.replaceChildren(result);
});
