// What all pages share

// Dash's upload draws its own field, without a name for a screen reader
new MutationObserver(function () {
  document.querySelectorAll("input[type=file]:not([aria-label])").forEach(function (field) {
    field.setAttribute("aria-label", "A .replay file");
  });
}).observe(document.documentElement, { childList: true, subtree: true });

// Dash hands a figure that was zoomed to Plotly once more, with the zoom as its own; Plotly would
// then no longer know the zoom as the viewer's, and forget it when new data come
document.addEventListener("pointerdown", function () {
  if (!window.Plotly || window.Plotly.react.spares) return;
  const react = window.Plotly.react;
  window.Plotly.react = function (plot, figure) {
    return plot.data === figure.data ? Promise.resolve(plot) : react(plot, figure);
  };
  window.Plotly.react.spares = true;
}, true);

// A figure with empty panels out of the window's sight; null where all are in sight. Lines and
// axes stay what they are, so that Plotly keeps what was zoomed and hidden in them
function inSight(figure, above) {
  const { height, margin, annotations } = figure.layout;
  const plot = height - margin.t - margin.b;
  const seen = (low, high) =>
    above + margin.t + (1 - high) * plot < window.innerHeight &&
    above + margin.t + (1 - low) * plot > 0;
  const hidden = Object.entries(figure.layout).filter(
    ([name, { domain }]) => name.startsWith("yaxis") && domain && !seen(...domain)
  );
  if (!hidden.length) return null;
  const layout = { ...figure.layout, annotations: annotations.filter(({ y }) => seen(y, y)) };
  const lines = new Set();
  hidden.forEach(([name, axis]) => {
    const across = name.replace("y", "x");
    layout[name] = { ...axis, visible: false };
    layout[across] = { ...layout[across], visible: false };
    lines.add(name.replace("axis", ""));
  });
  const nothing = { x: [null], y: [null] };
  const data = figure.data.map((line) => (lines.has(line.yaxis) ? { ...line, ...nothing } : line));
  return { data, layout };
}

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
  // Plotly takes the longer the more panels there are, so that the others wait
  drawInSightFirst: async function (figure) {
    const { id } = window.dash_clientside.callback_context.outputs_list;
    const part = inSight(figure, document.getElementById(id).getBoundingClientRect().top);
    if (part) {
      window.dash_clientside.set_props(id, { figure: part });
      await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
    }
    return figure;
  },
};
