// What the pages add to htmx: times in the reader's zone, "/" for the search, and folds that stay
// open while a page updates itself. Without it the pages show UTC and work as well.
"use strict";

(() => {
  const zone = Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

  const showLocalTimes = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const then = new Date(time.dateTime);
      if (Number.isNaN(then.getTime())) continue;
      const local = zone.format(then);
      time.title = local;
      if (time.classList.contains("full")) time.textContent = local;
    }
  };

  const isTyping = (node) => node.closest("input, select, textarea, [contenteditable]") !== null;

  document.addEventListener("keydown", (event) => {
    const search = document.querySelector("input[type=search]");
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (search === null || isTyping(event.target)) return;
    event.preventDefault();
    search.focus();
    search.select();
  });

  // Whether a reader opened or closed a fold, by its id.
  const folds = new Map();
  document.addEventListener(
    "toggle",
    (event) => {
      if (event.target.id) folds.set(event.target.id, event.target.open);
    },
    true,
  );
  const restoreFolds = (root) => {
    for (const fold of root.querySelectorAll("details[id]")) {
      if (folds.has(fold.id)) fold.open = folds.get(fold.id);
    }
  };

  // htmx gives the focus back only to what is visible, so not to what is in a closed fold.
  let focused = "";
  const restoreFocus = () => {
    const node = focused && document.getElementById(focused);
    if (node && document.activeElement !== node) node.focus({ preventScroll: true });
  };

  document.addEventListener("DOMContentLoaded", () => {
    showLocalTimes(document);
    document.body.addEventListener("htmx:beforeSwap", () => {
      focused = document.activeElement?.id ?? "";
    });
    document.body.addEventListener("htmx:afterSwap", () => {
      restoreFolds(document);
      restoreFocus();
      showLocalTimes(document);
    });
  });
})();
