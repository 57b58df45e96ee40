/** What goes with one's moods, in the words of the hub, and from how many days. */

import { byId, element } from "./dom.js";
import { dayAndTime } from "./times.js";
import { toast } from "./toasts.js";
import { Look } from "./trouble.js";

const LOOK_EVERY_MS = 1_500;
const LOOKS = 10;

export class MoodPatterns {
  #app;
  #box = byId("patterns");
  #look = new Look();

  /** @param {import("./home.js").Home} app */
  constructor(app) {
    this.#app = app;
  }

  load() {
    return this.#look.at(this.#box, () => this.#get(), (found) => this.#show(found));
  }

  #get() {
    return this.#app.api.get("/v1/moods/patterns");
  }

  #show(found) {
    const button = element("button", { class: "button button--small", type: "button", text: "Look now", on: { click: () => this.#find(button, found.computed_at) } });
    this.#box.replaceChildren(...contentOf(found), element("div", { class: "row" }, button, element("span", { class: "quiet", text: foundWhen(found.computed_at) })));
  }

  /** Have them worked out now, and show them when that is done. */
  async #find(button, before) {
    button.disabled = true;
    try {
      let found = await this.#app.api.call("POST", "/v1/moods/patterns");
      for (let look = 0; look < LOOKS && found.computed_at === before; look += 1) {
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
        found = await this.#get();
      }
      this.#show(found);
      if (found.computed_at === before) toast("This takes a little longer. Look here again in a while.");
    } catch (error) {
      button.disabled = false;
      this.#app.tellProblem(error);
    }
  }
}

function contentOf({ patterns, days, needed, computed_at: computedAt }) {
  if (patterns.length === 0) return [element("p", { class: "empty", text: emptyWords(days, needed, computedAt) })];
  const items = patterns.map(({ sentence, days: paired }) => element("li", { class: "pattern" }, element("p", { text: sentence }), element("p", { class: "quiet", text: `From ${paired} days` })));
  return [element("ul", { class: "list" }, ...items), element("p", { class: "quiet", text: "What goes together need not be the cause of each other. You know best what it means." })];
}

function emptyWords(days, needed, computedAt) {
  const chance = `With fewer than ${needed} days, chance alone looks like a pattern`;
  if (computedAt === null) return `${chance}. From then on, this is looked for every night, in the tags and the days that you tell with your moods.`;
  if (days < needed) {
    const so = days === 1 ? "there is 1 day so far" : `there are ${days} so far`;
    return `${chance}; ${so}. Tell tags and the day with your moods, and look here again later.`;
  }
  return "Nothing goes with your moods so clearly that chance could not be the reason. That is an answer, too.";
}

/** @returns {string} how fresh it is */
function foundWhen(computedAt) {
  return computedAt === null ? "" : `Looked for ${dayAndTime(computedAt)}`;
}
