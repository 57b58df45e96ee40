/** Short messages that go by themselves; who only hears the page hears them too. */

import { byId, element } from "./dom.js";

const SHOWN_MS = 6_000;
const MOST = 3;

/**
 * @param {string} text
 * @param {"plain" | "problem"} look
 */
export function toast(text, look = "plain") {
  const box = byId("toasts");
  const node = element("p", { class: `toast toast--${look}`, text });
  box.append(node);
  while (box.children.length > MOST) box.firstElementChild.remove();
  setTimeout(() => node.remove(), SHOWN_MS);
}

/** Another view is shown: what was told in the last one is in the way. */
export function clearToasts() {
  byId("toasts").replaceChildren();
}

/** Say *text* to who only hears the page. */
export function announce(text) {
  const announcer = byId("announcer");
  announcer.append(element("p", { text }));
  // Read once when added; kept a moment, because some readers drop what goes too soon.
  setTimeout(() => announcer.firstElementChild?.remove(), SHOWN_MS);
}
