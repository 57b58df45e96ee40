/** Ways on the page: to the thing that a notification is about, in view and with the focus. */

import { byId } from "./dom.js";
import { leaveAddress, showPanel } from "./places.js";

const APPEARS_MS = 8_000;
const PAGES_MAX = 10;
const POINTED_MS = 2_000;

/** The panel of each part, and how its rows tell what they are. */
const PARTS = new Map([
  ["received", ["received", (id) => `#received-list [data-hug="${id}"]`]],
  ["sent", ["sent", (id) => `#sent-list [data-hug="${id}"]`]],
  ["asks", ["friends", (id) => `#asks-list [data-key*="${id}"]`]],
  ["rooms", ["friends", (id) => `#rooms-list [data-key$="${id}"]`]],
  ["requests", ["friends", (id) => `#requests-list [data-key$="${id}"]`]],
  ["friends", ["friends", (id) => `#friends-list [data-key="${id}"]`]],
]);

/**
 * Show what *target* names; where it is not on the page any more, the panel where it was.
 * @param {import("./home.js").Home} app
 * @param {import("./notification_words.js").Target} target
 */
export async function goTo(app, { part, ids }) {
  for (const dialog of document.querySelectorAll("dialog[open]")) /** @type {HTMLDialogElement} */ (dialog).close();
  if (part === "moods") location.hash = "moods";
  else if (part === "settings") await app.settings.open();
  else if (PARTS.has(part)) await goToRow(app, part, ids);
}

async function goToRow(app, part, ids) {
  const [panel, selectorOf] = PARTS.get(part);
  leaveAddress();
  showPanel(panel);
  byId(`${panel}-heading`).focus({ preventScroll: true });
  if (ids.length === 0) return;
  const selector = ids.map((id) => selectorOf(CSS.escape(id))).join(", ");
  const list = { received: app.hugs.received, sent: app.hugs.sent }[part];
  const isLeft = watchFocus();
  const row = (list && (await pageWith(list, ids, selector))) ?? (await appears(selector));
  if (row !== null && !isLeft()) pointAt(row);
}

/** The row of a hug that is further back than what is loaded. */
async function pageWith(list, ids, selector) {
  for (let page = 0; page < PAGES_MAX && list.isLoaded && list.hasMore && !ids.some((id) => list.get(id)); page += 1) {
    try {
      await list.more();
    } catch {
      break; // the panel is in view; it says the rest
    }
  }
  return document.querySelector(selector);
}

/** What is loaded a moment later, or null. @returns {Promise<HTMLElement | null>} */
function appears(selector) {
  return new Promise((resolve) => {
    const done = (node) => {
      clearTimeout(timer);
      observer.disconnect();
      resolve(node);
    };
    const look = () => {
      const node = document.querySelector(selector);
      if (node !== null) done(node);
    };
    const observer = new MutationObserver(look);
    const timer = setTimeout(() => done(null), APPEARS_MS);
    observer.observe(byId("home"), { childList: true, subtree: true });
    look();
  });
}

/** Has the person gone elsewhere meanwhile? Then the focus is theirs. */
function watchFocus() {
  const at = document.activeElement;
  return () => document.activeElement !== at && document.activeElement !== document.body;
}

function pointAt(row) {
  row.tabIndex = -1;
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "center" });
  row.classList.add("pointed");
  setTimeout(() => row.classList.remove("pointed"), POINTED_MS);
}
