/**
 * Moments that are shared: a mutual hug, and the end of a group hug.
 *
 * As with arrivals nothing is only here, nothing waits for it, and it takes no focus. A mutual hug moves in both
 * windows at once: its time zero is the hub's, so who is late joins in the middle.
 */

import { avatar, byId, element, icon } from "./dom.js";
import { phraseOf } from "./kinds.js";
import { lasting } from "./times.js";
import { announce } from "./toasts.js";

const SHOWN_MS = 7_000;
/** An end of a group hug is read, not only seen. */
const SHOWN_LONG_MS = 20_000;
/** Of a moment that began longer ago, as after a time away, only the list tells. */
const LATE_MS = 6_000;
const FACES_MAX = 7;

export class Moments {
  #app;
  #box = byId("moment");
  /** @type {{node: Element, words: string, forMs: number}[]} */
  #waiting = [];
  #isShown = false;
  #timer;

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#end();
    });
    this.#box.addEventListener("focusin", () => clearTimeout(this.#timer));
    this.#box.addEventListener("focusout", () => this.#endIn(SHOWN_MS));
  }

  /**
   * Two hugs have met. *sinceMs*: how long ago, by the hub's clock; less than 0 is ahead. *hug*: the one that was
   * received, if it is here. Returns whether it is shown.
   */
  mutual(user, sinceMs, hug) {
    if (sinceMs > LATE_MS) return false;
    const words = `${user.name} and you hugged each other`;
    const card = this.#card(
      "mutual",
      element(
        "div",
        { class: "meeting", "aria-hidden": "true" },
        element("span", { class: "meeting__ring" }),
        element("span", { class: "meeting__ring meeting__ring--late" }),
        element("span", { class: "meeting__one" }, avatar(this.#app.self)),
        element("span", { class: "meeting__other" }, avatar(user)),
        element("span", { class: "meeting__heart" }, icon("kind-warm")),
      ),
      element("p", { class: "moment__words", text: words }),
      hug ? element("p", { class: "quiet", text: `${user.name} gives you ${phraseOf(hug.kind)}` }) : null,
      hug?.message ? element("p", { class: "moment__message", text: hug.message }) : null,
    );
    card.style.setProperty("--since", `${-Math.round(sinceMs)}ms`);
    this.#add(card, hug?.message ? `${words}: ${hug.message}` : words, SHOWN_MS);
    return true;
  }

  /** A group hug has come to its end; *event* is `group.completed`. */
  completed(event, sinceMs) {
    const isBig = event.how === "squeeze";
    const words = isBig ? "The big squeeze" : "A good end";
    const how = isBig ? "You squeezed as one." : "The host has brought it to its end.";
    const others = event.count - Math.min(event.participants.length, FACES_MAX);
    const names = namesOf(event.participants, event.count, this.#app.self.id);
    const text = `“${event.name}” · ${event.count} ${event.count === 1 ? "person" : "people"} · ${lasting(event.duration_ms)}`;
    if (sinceMs > SHOWN_LONG_MS) {
      announce(`${words}. ${text}`);
      return;
    }
    const faces = event.participants.slice(0, FACES_MAX).map((person) => element("span", { class: "together__face" }, avatar(person)));
    const card = this.#card(
      isBig ? "big" : "host",
      element(
        "div",
        { class: "together", "aria-hidden": "true" },
        element("span", { class: "together__glow" }),
        ...faces,
        others > 0 ? element("span", { class: "together__more", text: `+${others}` }) : null,
      ),
      element("p", { class: "moment__words", text: words }),
      element("p", { text: how }),
      element("p", { class: "quiet", text: text }),
      element("p", { class: "quiet", text: names }),
    );
    this.#add(card, `${words}. ${how} ${text}. ${names}`, SHOWN_LONG_MS);
  }

  #card(look, ...content) {
    const close = element("button", { class: "button", type: "button", text: "Close", on: { click: () => this.#end() } });
    return element("div", { class: `moment__card moment__card--${look}` }, ...content.filter((part) => part !== null), element("div", { class: "row" }, close));
  }

  #add(node, words, forMs) {
    this.#waiting.push({ node, words, forMs });
    if (!this.#isShown) this.#next();
  }

  #next() {
    const moment = this.#waiting.shift();
    if (moment === undefined) return;
    this.#isShown = true;
    this.#box.replaceChildren(moment.node);
    this.#box.showPopover?.();
    announce(moment.words);
    this.#endIn(moment.forMs);
  }

  #endIn(delayMs) {
    clearTimeout(this.#timer);
    if (this.#isShown) this.#timer = setTimeout(() => this.#end(), delayMs);
  }

  #end() {
    if (!this.#isShown) return;
    clearTimeout(this.#timer);
    this.#isShown = false;
    this.#box.hidePopover?.();
    this.#box.replaceChildren();
    this.#next();
  }
}

/** "You, Ana, Zoë and 3 more" */
function namesOf(participants, count, selfId) {
  const sorted = [...participants].sort((a, b) => Number(b.id === selfId) - Number(a.id === selfId));
  const names = sorted.slice(0, FACES_MAX).map(({ id, name }) => (id === selfId ? "You" : name));
  const more = count - names.length;
  if (more > 0) names.push(`${more} more`);
  return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names.join("");
}
