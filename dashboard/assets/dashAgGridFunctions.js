// What the tables' columns are written with
window.dashAgGridFunctions = window.dashAgGridFunctions || {};
window.dashAgGridFunctions.moment = function (seconds) {
  if (seconds === null || seconds === undefined) return "";
  return new Date(seconds * 1000).toLocaleString([], {
    month: "short", day: "numeric", hour: "2-digit", minute: "2-digit",
  });
};
