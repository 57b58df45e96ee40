/**
 * The moment a hug arrives: two people move together, over whatever the page shows.
 *
 * Nothing waits for it and nothing is only in it: the hug is in the list already. It takes no focus,
 * goes by itself, and waits while somebody looks closer. Hugs in a row are shown together.
 */

import { avatar, byId, element, icon } from "./dom.js";
import { iconOf, phraseOf } from "./kinds.js";
import { announce } from "./toasts.js";

const SHOWN_MS = 4_500;
const PER_LETTER_MS = 45;
const SHOWN_MOST_MS = 10_000;
const READ_AFTER_MS = 1_200;
const AFTER_A_LOOK_MS = 3_000;
/** Hugs of the same moment, as after a time away, come in one burst of events. */
const GATHER_MS = 120;
const HEARTS = 6;

export class Arrivals {
  #app;
  #box = byId("arrival");
  /** @type {import("./hugs.js").Hug[]} */
  #waiting = [];
  /** @type {import("./hugs.js").Hug[]} */
  #shown = [];
  #timers = { next: undefined, read: undefined, end: undefined };

  /** @param {import("./home.js").Actions & {self: any, people: import("./people.js").People, seen: import("./seen.js").SeenWatch}} app */
  constructor(app) {
    this.#app = app;
    document.addEventListener("visibilitychange", () => this.#nextSoon());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#end();
    });
    // Moving, not entering: a mouse that merely lies where the hug appears would keep it for ever.
    this.#box.addEventListener("pointermove", () => this.#endIn(AFTER_A_LOOK_MS));
    this.#box.addEventListener("focusin", () => clearTimeout(this.#timers.end));
    this.#box.addEventListener("focusout", () => this.#endIn(AFTER_A_LOOK_MS));
  }

  /** @param {import("./hugs.js").Hug} hug */
  add(hug) {
    this.#waiting.push(hug);
    this.#nextSoon();
  }

  /** These were taken back, or are shown in another way. */
  forget(ids) {
    this.#waiting = this.#waiting.filter(({ id }) => !ids.includes(id));
    if (this.#shown.length > 0 && this.#shown.every(({ id }) => ids.includes(id))) this.#end();
  }

  #nextSoon() {
    if (this.#shown.length > 0 || this.#waiting.length === 0 || document.visibilityState !== "visible") return;
    clearTimeout(this.#timers.next);
    this.#timers.next = setTimeout(() => this.#next(), GATHER_MS);
  }

  #next() {
    const hugs = this.#waiting.splice(0);
    if (hugs.length === 0) return; // forgotten meanwhile
    this.#shown = hugs;
    const words = hugs.length === 1 ? wordsFor(hugs[0]) : wordsForMany(hugs);
    const node = hugs.length === 1 ? this.#one(hugs[0], words) : this.#many(hugs, words);
    this.#box.replaceChildren(node);
    this.#box.showPopover?.();
    announce(hugs.length === 1 && hugs[0].message ? `${words}: ${hugs[0].message}` : words);
    // One is read here; of many only the names are.
    if (hugs.length === 1) this.#timers.read = setTimeout(() => this.#app.seen.read([hugs[0].id]), READ_AFTER_MS);
    this.#endIn(Math.min(SHOWN_MOST_MS, SHOWN_MS + PER_LETTER_MS * (hugs[0].message ?? "").length));
  }

  #one(hug, words) {
    const friend = this.#app.people.friends.get(hug.from.id);
    const back = () => {
      this.#end();
      this.#app.compose(friend);
    };
    return this.#card(
      hug.from,
      hug.kind,
      element("p", { class: "arrival__words", text: words }),
      hug.message ? element("p", { class: "arrival__message", text: hug.message }) : null,
      element(
        "div",
        { class: "row" },
        friend ? element("button", { class: "button button--main", type: "button", text: "Hug back", on: { click: back } }) : null,
        this.#closer(),
      ),
    );
  }

  #many(hugs, words) {
    return this.#card(hugs.at(-1).from, hugs.at(-1).kind, element("p", { class: "arrival__words", text: words }), element("div", { class: "row" }, this.#closer()));
  }

  #closer() {
    return element("button", { class: "button", type: "button", text: "Close", on: { click: () => this.#end() } });
  }

  #card(from, kind, ...content) {
    const hearts = Array.from({ length: HEARTS }, (_, index) => element("span", { class: `heart heart--${index}` }, icon("kind-warm")));
    return element(
      "div",
      { class: `arrival__card arrival__card--${kind}` },
      element(
        "div",
        { class: "embrace", "aria-hidden": "true" },
        element("span", { class: "embrace__glow" }),
        element("span", { class: "embrace__one" }, avatar(from)),
        element("span", { class: "embrace__other" }, avatar(this.#app.self)),
        element("span", { class: "embrace__kind" }, icon(iconOf(kind))),
        ...hearts,
      ),
      ...content,
    );
  }

  #endIn(delayMs) {
    clearTimeout(this.#timers.end);
    if (this.#shown.length > 0) this.#timers.end = setTimeout(() => this.#end(), delayMs);
  }

  #end() {
    if (this.#shown.length === 0) return;
    clearTimeout(this.#timers.end);
    clearTimeout(this.#timers.read);
    this.#shown = [];
    this.#box.hidePopover?.();
    this.#box.replaceChildren();
    this.#nextSoon();
  }
}

function wordsFor(hug) {
  return `${hug.from.name} gives you ${phraseOf(hug.kind)}`;
}

function wordsForMany(hugs) {
  const names = [...new Set(hugs.map(({ from }) => from.name))];
  const who = names.length > 2 ? `${names[0]}, ${names[1]} and ${names.length - 2} more` : names.join(" and ");
  return `${hugs.length} hugs for you from ${who}`;
}
