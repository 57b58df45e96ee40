/**
 * Which place of the page is shown: the panels with one of them in front, a room, or the moods.
 *
 * Rooms and moods stand in the address, after its `#`; they look there and call `showPlace`.
 */

/** @param {string} name of the panel in front, where there is room for one */
export function showPanel(name) {
  document.body.dataset.panel = name;
  tell();
}

/** @param {"panels" | "room" | "moods"} name */
export function showPlace(name) {
  document.body.dataset.place = name;
  tell();
}

/** Back to the panels. */
export function leaveAddress() {
  if (location.hash === "") return;
  // Not `history.back()`: who came by a link or a reload has nothing behind them.
  history.replaceState(null, "", location.pathname + location.search);
  globalThis.dispatchEvent(new HashChangeEvent("hashchange"));
}

function tell() {
  const { panel, place } = document.body.dataset;
  for (const way of document.querySelectorAll(".tabs [data-panel], [data-go]")) {
    const isHere = way.dataset.go === undefined ? place === "panels" && way.dataset.panel === panel : way.dataset.go === place;
    if (isHere) way.setAttribute("aria-current", "true");
    else way.removeAttribute("aria-current");
  }
}
