// Before anything is drawn: the colour scheme that was chosen last, so that nothing flashes
(function () {
  var chosen = null;
  try {
    chosen = localStorage.getItem("mantine-color-scheme-value");
  } catch (error) {
    // storage may be forbidden; then the system decides
  }
  if (chosen !== "light" && chosen !== "dark") {
    chosen = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
  var root = document.documentElement;
  root.setAttribute("data-mantine-color-scheme", chosen);
  function follow() {
    root.setAttribute("data-ag-theme-mode", root.getAttribute("data-mantine-color-scheme"));
  }
  follow();
  new MutationObserver(follow).observe(root, { attributeFilter: ["data-mantine-color-scheme"] });
})();
