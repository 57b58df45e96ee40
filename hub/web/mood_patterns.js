/** What goes with one's moods, in the words of the hub, and how sure that is. */

import { byId, element } from "./dom.js";
import { Look } from "./trouble.js";

const STRENGTHS = { early_hint: "an early hint", pattern: "a pattern" };

export class MoodPatterns {
  #app;
  #box = byId("patterns");
  #look = new Look();

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
  }

  load() {
    return this.#look.at(this.#box, () => this.#app.api.get("/v1/moods/patterns"), (found) => this.#box.replaceChildren(...contentOf(found)));
  }
}

function contentOf({ patterns, days, needed, computed_at: computedAt }) {
  if (patterns.length > 0) {
    const items = patterns.map(({ sentence, strength, days: paired }) => element("li", { class: "pattern" }, element("p", { text: sentence }), element("p", { class: "quiet", text: `${capital(STRENGTHS[strength])}, from ${paired} days` })));
    return [element("ul", { class: "list" }, ...items), element("p", { class: "quiet", text: "What goes together need not be the cause of each other. You know best what it means." })];
  }
  return [element("p", { class: "empty", text: emptyWords(days, needed, computedAt) })];
}

function emptyWords(days, needed, computedAt) {
  if (days < needed) {
    const so = days === 0 ? "there are none yet" : days === 1 ? "there is 1 so far" : `there are ${days} so far`;
    return `With fewer than ${needed} days, chance alone looks like a pattern; ${so}. Tell tags and the day with your moods, and look here again later.`;
  }
  if (computedAt === null) return "There are enough days to look; it is done every night.";
  return "Nothing goes with your moods so clearly that chance could not be the reason. That is an answer, too.";
}

function capital(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
