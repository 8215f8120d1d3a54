// What all pages share

// Dash's upload draws its own field, without a name for a screen reader
new MutationObserver(function () {
  document.querySelectorAll("input[type=file]:not([aria-label])").forEach(function (field) {
    field.setAttribute("aria-label", "A .replay file");
  });
}).observe(document.documentElement, { childList: true, subtree: true });

// A figure with empty panels out of the window's sight; null where that is all of them or none.
// Lines and axes stay what they are, so that Plotly keeps what was zoomed and hidden in them
function inSight({ data, layout }, above) {
  const { height, margin, annotations = [] } = layout;
  const plot = height - margin.t - margin.b;
  const seen = (low, high) =>
    above + margin.t + (1 - high) * plot < window.innerHeight &&
    above + margin.t + (1 - low) * plot > 0;
  const panels = Object.entries(layout).filter(
    ([name, axis]) => name.startsWith("yaxis") && axis.domain
  );
  const hidden = panels.filter(([, axis]) => !seen(...axis.domain));
  if (!hidden.length || hidden.length === panels.length) return null;
  const part = {
    ...layout,
    annotations: annotations.filter(({ y, yref }) => yref !== "paper" || seen(y, y)),
  };
  const lines = new Set();
  hidden.forEach(([name, axis]) => {
    const across = name.replace("y", "x");
    part[name] = { ...axis, visible: false };
    part[across] = { ...part[across], visible: false };
    lines.add(name.replace("axis", ""));
  });
  const nothing = { x: [null], y: [null] };
  return {
    data: data.map((line) => (lines.has(line.yaxis) ? { ...line, ...nothing } : line)),
    layout: part,
  };
}

// How Dash draws a figure, from the viewer's first touch on, when Plotly is there.
// - Dash hands a figure that was zoomed to Plotly once more, with the zoom as its own; Plotly would
//   then no longer know the zoom as the viewer's, and forget it when new data come. What is drawn
//   already is left alone.
// - Plotly takes the longer the more panels there are. Those out of sight wait.
let draw; // Plotly's own way
function drawWell() {
  if (draw || !window.Plotly) return;
  draw = window.Plotly.react;
  const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  window.Plotly.react = async function (plot, figure) {
    if (plot.data === figure.data) return plot;
    const part = plot.data && inSight(figure, plot.getBoundingClientRect().top);
    if (part) {
      await draw(plot, { ...figure, ...part });
      await painted();
    }
    return draw(plot, figure);
  };
}
document.addEventListener("pointerdown", drawWell, true);
document.addEventListener("keydown", drawWell, true);

window.dash_clientside = window.dash_clientside || {};
window.dash_clientside.lucy = {
  // The table says what is chosen when it is drawn, too: as the page's own ids, or in its order
  chooseRuns: function (selected, before) {
    if (!Array.isArray(selected)) return window.dash_clientside.no_update;
    const runs = selected.map((row) => String(row.id));
    const same = [...runs].sort().join() === (before || "").split(",").filter(Boolean).sort().join();
    return same ? window.dash_clientside.no_update : runs.join(",");
  },
  // The address says what the page shows; going back leads to the page before, not to the
  // setting before, so the entry is replaced
  keepInUrl: function (...values) {
    const { names, defaults } = values.pop();
    const query = new URLSearchParams(window.location.search);
    names.forEach((name, i) => {
      const value = values[i];
      const plain = Array.isArray(value) ? value.join(",") : value;
      const isDefault = JSON.stringify(plain) === JSON.stringify(defaults[i]);
      if (plain === null || plain === undefined || plain === "" || isDefault) query.delete(name);
      else query.set(name, plain);
    });
    const text = query.toString();
    window.history.replaceState(
      window.history.state, "", window.location.pathname + (text ? "?" + text : "")
    );
    return window.dash_clientside.no_update;
  },
};
