// What all pages share

// Dash's upload draws its own field, without a name for a screen reader
new MutationObserver(function () {
  document.querySelectorAll("input[type=file]:not([aria-label])").forEach(function (field) {
    field.setAttribute("aria-label", "A .replay file");
  });
}).observe(document.documentElement, { childList: true, subtree: true });

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
